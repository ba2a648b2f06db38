//! A place for each message whose answer is awaited, or was not fetched yet.

use std::mem;
use std::str;
use std::task::{Poll, Waker};

use crate::broker::{BrokerError, Stored};

/// Bits of a number that say the place. More messages than these are not in memory.
const BITS: u32 = 24;
/// Free places beyond these are given up.
const SPARE: usize = 1024;
/// Most subjects are no longer: such a one is kept within its place.
const SHORT: usize = 38;

/// The places. Those that are free are taken again, under numbers that never come twice, so that a late answer is
/// nobody else's.
#[derive(Default)]
pub(super) struct Places {
    all: Vec<Place>,
    free: Vec<u32>,
    /// Counts messages.
    count: u64,
    /// Counts sweeps: a clock that costs nothing.
    now: u32,
    closed: bool,
}

struct Place {
    number: u64,
    state: State,
    since: u32,
    subject: Name,
}

enum State {
    Free,
    /// Without an answer. Woken is who asked last.
    Open(Option<Waker>),
    /// Without an answer, which nobody waits for.
    Unheard,
    Answered(Result<Stored, Box<BrokerError>>),
}

enum Name {
    Short(u8, [u8; SHORT]),
    Long(Box<str>),
}

/// What came with some answers, for after they are all read.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) answered: usize,
    pub(super) wakers: Vec<Waker>,
}

impl Places {
    /// Gives a message a place, and so a number.
    pub(super) fn put(&mut self, subject: &str) -> Result<u64, BrokerError> {
        if self.closed {
            return Err(closed());
        }
        self.count = self.count.wrapping_add(1);
        let number = |place: u32| self.count << BITS | u64::from(place);
        let place = Place {
            number: 0,
            state: State::Open(None),
            since: self.now,
            subject: Name::of(subject),
        };
        if let Some(free) = self.free.pop()
            && let Some(taken) = self.all.get_mut(free as usize)
        {
            let number = number(free);
            *taken = Place { number, ..place };
            return Ok(number);
        }
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        if next >= 1 << BITS {
            return Err(BrokerError::transient(
                "millions of receipts are kept without looking at them: await them, or drop them",
            ));
        }
        let number = number(next);
        self.all.push(Place { number, ..place });
        Ok(number)
    }

    fn of(&mut self, number: u64) -> Option<&mut Place> {
        let place = usize::try_from(number % (1 << BITS)).ok()?;
        self.all
            .get_mut(place)
            .filter(|place| place.number == number)
    }

    fn free(&mut self, number: u64) {
        if let Some(place) = self.of(number) {
            place.state = State::Free;
            self.free.extend(u32::try_from(number % (1 << BITS)));
        }
    }

    /// Where the message with this number went, if it has no answer yet.
    pub(super) fn subject(&mut self, number: u64) -> Option<String> {
        let place = self.of(number).filter(|place| place.is_open())?;
        Some(place.subject.text().to_owned())
    }

    /// Takes an answer in, if the message has none yet.
    pub(super) fn answer(
        &mut self,
        number: u64,
        answer: Result<Stored, BrokerError>,
        heard: &mut Heard,
    ) {
        let Some(place) = self.of(number).filter(|place| place.is_open()) else {
            return;
        };
        let answered = State::Answered(answer.map_err(Box::new));
        match mem::replace(&mut place.state, answered) {
            State::Open(waker) => heard.wakers.extend(waker),
            _ => self.free(number),
        }
        heard.answered += 1;
    }

    /// Gives the answer out, and its place free. Who asked before is given back too, as is who asked for what nobody
    /// asks for any more: what else goes with a waker can't be told, and has no place here.
    pub(super) fn poll(
        &mut self,
        number: u64,
        waker: &Waker,
        before: &mut Option<Waker>,
    ) -> Poll<Result<Stored, BrokerError>> {
        let Some(place) = self.of(number) else {
            return Poll::Pending;
        };
        match &mut place.state {
            State::Open(Some(known)) if known.will_wake(waker) => {}
            State::Open(known) => *before = known.replace(waker.clone()),
            state @ State::Answered(_) => {
                if let State::Answered(answer) = mem::replace(state, State::Free) {
                    self.free(number);
                    return Poll::Ready(answer.map_err(|error| *error));
                }
            }
            State::Free | State::Unheard => {}
        }
        Poll::Pending
    }

    /// Nobody asks for this answer any more.
    pub(super) fn unheard(&mut self, number: u64) -> Option<Waker> {
        let place = self.of(number)?;
        match &mut place.state {
            State::Open(waker) => {
                let waker = waker.take();
                place.state = State::Unheard;
                return waker;
            }
            State::Answered(_) => self.free(number),
            State::Free | State::Unheard => {}
        }
        None
    }

    /// The message was never sent. Whether it was without an answer.
    pub(super) fn forget(&mut self, number: u64) -> bool {
        let open = self.of(number).is_some_and(|place| place.is_open());
        if open {
            self.free(number);
        }
        open
    }

    /// Counts a sweep, and finds the messages that have no answer after so many of them.
    pub(super) fn sweep(&mut self, sweeps: u32) -> Vec<u64> {
        self.give_up_places();
        self.now = self.now.wrapping_add(1);
        let now = self.now;
        let late = |place: &&Place| place.is_open() && now.wrapping_sub(place.since) >= sweeps;
        let late = self.all.iter().filter(late);
        late.map(|place| place.number).collect()
    }

    /// Receipts that were kept for long may have taken many, which all would be looked at for ever.
    fn give_up_places(&mut self) {
        if self.free.len() <= SPARE {
            return;
        }
        let is_free = |place: &mut Place| matches!(place.state, State::Free);
        while self.all.len() > SPARE && self.all.pop_if(is_free).is_some() {}
        let left = self.all.len();
        self.free.retain(|place| (*place as usize) < left);
        self.all.shrink_to(SPARE);
        self.free.shrink_to(SPARE);
    }

    /// Gives no places any more, and finds the messages that have no answer.
    pub(super) fn close(&mut self) -> Vec<u64> {
        self.closed = true;
        let open = self.all.iter().filter(|place| place.is_open());
        open.map(|place| place.number).collect()
    }
}

impl Place {
    fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_) | State::Unheard)
    }
}

impl Name {
    fn of(text: &str) -> Self {
        let mut short = [0; SHORT];
        match (short.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(bytes), Ok(length)) => {
                bytes.copy_from_slice(text.as_bytes());
                Self::Short(length, short)
            }
            _ => Self::Long(text.into()),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Short(length, bytes) => {
                let bytes = bytes.get(..usize::from(*length)).unwrap_or_default();
                str::from_utf8(bytes).unwrap_or_default()
            }
            Self::Long(text) => text,
        }
    }
}

pub(super) fn closed() -> BrokerError {
    BrokerError::permanent(
        "the connection is closed, since the service has stopped: publish before `Running::stop`",
    )
}

/// A number behind the name of the inbox.
pub(super) fn write_number(inbox: &str, number: u64) -> String {
    let mut digits = [b'0'; 16];
    let mut first = digits.len();
    let mut rest = number;
    while first == digits.len() || rest > 0 {
        first -= 1;
        digits[first] = b"0123456789abcdef"[(rest % 16) as usize];
        rest /= 16;
    }
    let digits = str::from_utf8(&digits[first..]).unwrap_or_default();
    // Of the exact length: then it becomes a subject as it is.
    let mut reply = String::with_capacity(inbox.len() + digits.len());
    reply.push_str(inbox);
    reply.push_str(digits);
    reply
}

/// The number behind as many bytes.
pub(super) fn read_number(reply: &str, skip: usize) -> Option<u64> {
    u64::from_str_radix(reply.get(skip..)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::task::{Poll, Waker};

    use super::{Heard, Places, read_number, write_number};
    use crate::broker::{BrokerError, Stored};

    fn poll(places: &mut Places, number: u64) -> Poll<Result<Stored, BrokerError>> {
        places.poll(number, Waker::noop(), &mut None)
    }

    #[test]
    fn a_number_is_read_as_it_was_written() {
        for number in [0, 1, 15, 16, 0xabc, 1 << 24, u64::MAX] {
            let reply = write_number("_INBOX.a.", number);
            assert_eq!(reply, format!("_INBOX.a.{number:x}"));
            assert_eq!(read_number(&reply, "_INBOX.a.".len()), Some(number));
        }
        assert_eq!(read_number("_INBOX.a", 9), None);
        assert_eq!(read_number("_INBOX.a.é", 9), None);
    }

    /// How many messages this was an answer to.
    fn answer(places: &mut Places, number: u64, sequence: u64) -> usize {
        let mut heard = Heard::default();
        places.answer(number, Ok(Stored::new("A", sequence)), &mut heard);
        heard.answered
    }

    #[test]
    fn a_late_answer_is_nobody_elses() {
        let mut places = Places::default();
        let first = places.put("a").unwrap();
        assert_eq!(answer(&mut places, first, 1), 1);
        assert!(poll(&mut places, first).is_ready());
        let second = places.put("b").unwrap();
        assert_eq!(first % (1 << 24), second % (1 << 24), "one place");
        assert_eq!(answer(&mut places, first, 1), 0);
        assert!(poll(&mut places, second).is_pending());
        assert_eq!(answer(&mut places, second, 2), 1);
        let answered = poll(&mut places, second);
        assert!(matches!(answered, Poll::Ready(Ok(stored)) if stored.sequence == 2));
    }

    #[test]
    fn an_answer_waits_until_it_is_fetched_and_no_longer() {
        let mut places = Places::default();
        let [kept, dropped, late] = [(); 3].map(|()| places.put("a").unwrap());
        for number in [kept, dropped] {
            assert_eq!(answer(&mut places, number, 1), 1);
            assert_eq!(answer(&mut places, number, 1), 0);
        }
        places.unheard(dropped);
        places.unheard(late);
        assert_eq!(answer(&mut places, late, 1), 1);
        assert_eq!(places.free.len(), 2);
        assert!(poll(&mut places, kept).is_ready());
        assert_eq!(places.free.len(), 3);
    }

    #[test]
    fn subjects_of_any_length_are_kept() {
        let mut places = Places::default();
        for length in [0, 1, 37, 38, 39, 1000] {
            let subject = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let number = places.put(&subject).unwrap();
            assert_eq!(places.subject(number), Some(subject));
        }
    }

    #[test]
    fn what_has_no_answer_in_time_is_found_once_closed_all() {
        let mut places = Places::default();
        let first = places.put("a").unwrap();
        assert!(places.sweep(2).is_empty());
        let second = places.put("a").unwrap();
        assert_eq!(places.sweep(2), [first]);
        assert!(places.forget(first));
        assert!(!places.forget(first));
        assert_eq!(places.close(), [second]);
        assert!(places.put("a").is_err());
    }

    #[test]
    fn many_places_are_given_up_once_they_are_free() {
        let mut places = Places::default();
        let numbers: Vec<u64> = (0..5000).map(|_| places.put("a").unwrap()).collect();
        for number in &numbers {
            assert_eq!(answer(&mut places, *number, 1), 1);
        }
        let (kept, fetched) = numbers.split_at(1);
        for number in fetched {
            assert!(poll(&mut places, *number).is_ready());
        }
        assert!(places.sweep(2).is_empty());
        assert_eq!((places.all.len(), places.free.len()), (1024, 1023));
        // No number comes twice, though its place is a new one.
        let again: Vec<u64> = (0..5000).map(|_| places.put("a").unwrap()).collect();
        assert!(again.iter().all(|number| !numbers.contains(number)));
        assert!(poll(&mut places, kept[0]).is_ready());
    }
}
