//! A service with 500 handlers, for the time that it takes to start. Prints one line of JSON, as `event-benches
//! child` does; a program of its own, so that no other one has so many handlers.

use std::time::Instant;

use event_runtime::{App, Event, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something happened.
#[derive(Debug, Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "thing.happened",
    version = 1,
    topic = "things.{place}.happened"
)]
struct Happened {
    place: String,
}

macro_rules! handlers {
    ($($name:ident)*) => {
        $(
            #[handler]
            async fn $name(happened: Happened) {
                drop(happened);
            }
        )*
    };
}

#[rustfmt::skip]
handlers! {
    h000 h001 h002 h003 h004 h005 h006 h007 h008 h009 h010 h011 h012 h013 h014 h015 h016 h017 h018 h019
    h020 h021 h022 h023 h024 h025 h026 h027 h028 h029 h030 h031 h032 h033 h034 h035 h036 h037 h038 h039
    h040 h041 h042 h043 h044 h045 h046 h047 h048 h049 h050 h051 h052 h053 h054 h055 h056 h057 h058 h059
    h060 h061 h062 h063 h064 h065 h066 h067 h068 h069 h070 h071 h072 h073 h074 h075 h076 h077 h078 h079
    h080 h081 h082 h083 h084 h085 h086 h087 h088 h089 h090 h091 h092 h093 h094 h095 h096 h097 h098 h099
    h100 h101 h102 h103 h104 h105 h106 h107 h108 h109 h110 h111 h112 h113 h114 h115 h116 h117 h118 h119
    h120 h121 h122 h123 h124 h125 h126 h127 h128 h129 h130 h131 h132 h133 h134 h135 h136 h137 h138 h139
    h140 h141 h142 h143 h144 h145 h146 h147 h148 h149 h150 h151 h152 h153 h154 h155 h156 h157 h158 h159
    h160 h161 h162 h163 h164 h165 h166 h167 h168 h169 h170 h171 h172 h173 h174 h175 h176 h177 h178 h179
    h180 h181 h182 h183 h184 h185 h186 h187 h188 h189 h190 h191 h192 h193 h194 h195 h196 h197 h198 h199
    h200 h201 h202 h203 h204 h205 h206 h207 h208 h209 h210 h211 h212 h213 h214 h215 h216 h217 h218 h219
    h220 h221 h222 h223 h224 h225 h226 h227 h228 h229 h230 h231 h232 h233 h234 h235 h236 h237 h238 h239
    h240 h241 h242 h243 h244 h245 h246 h247 h248 h249 h250 h251 h252 h253 h254 h255 h256 h257 h258 h259
    h260 h261 h262 h263 h264 h265 h266 h267 h268 h269 h270 h271 h272 h273 h274 h275 h276 h277 h278 h279
    h280 h281 h282 h283 h284 h285 h286 h287 h288 h289 h290 h291 h292 h293 h294 h295 h296 h297 h298 h299
    h300 h301 h302 h303 h304 h305 h306 h307 h308 h309 h310 h311 h312 h313 h314 h315 h316 h317 h318 h319
    h320 h321 h322 h323 h324 h325 h326 h327 h328 h329 h330 h331 h332 h333 h334 h335 h336 h337 h338 h339
    h340 h341 h342 h343 h344 h345 h346 h347 h348 h349 h350 h351 h352 h353 h354 h355 h356 h357 h358 h359
    h360 h361 h362 h363 h364 h365 h366 h367 h368 h369 h370 h371 h372 h373 h374 h375 h376 h377 h378 h379
    h380 h381 h382 h383 h384 h385 h386 h387 h388 h389 h390 h391 h392 h393 h394 h395 h396 h397 h398 h399
    h400 h401 h402 h403 h404 h405 h406 h407 h408 h409 h410 h411 h412 h413 h414 h415 h416 h417 h418 h419
    h420 h421 h422 h423 h424 h425 h426 h427 h428 h429 h430 h431 h432 h433 h434 h435 h436 h437 h438 h439
    h440 h441 h442 h443 h444 h445 h446 h447 h448 h449 h450 h451 h452 h453 h454 h455 h456 h457 h458 h459
    h460 h461 h462 h463 h464 h465 h466 h467 h468 h469 h470 h471 h472 h473 h474 h475 h476 h477 h478 h479
    h480 h481 h482 h483 h484 h485 h486 h487 h488 h489 h490 h491 h492 h493 h494 h495 h496 h497 h498 h499
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let began = Instant::now();
    let running = App::new()
        .service("bench")
        .environment([("EVENT_BROKER", "memory://")])
        .start()
        .await?;
    let wall = began.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({ "events": 500, "wall": wall, "cpu": 0.0, "peak_kib": 0 })
    );
    running.stop().await?;
    Ok(())
}
