//! Handlers named by their functions.

use std::any::{TypeId, type_name};

/// A tuple of handler functions: `.only((charge, reserve))`, `.only((charge,))`, or `.only(())` for none.
pub trait HandlerSet {
    /// The functions: their types, and how to call them in messages.
    #[doc(hidden)]
    fn functions(&self) -> Vec<(TypeId, &'static str)>;
}

macro_rules! sets {
    ($($name:ident)*) => {
        impl<$($name: 'static),*> HandlerSet for ($($name,)*) {
            fn functions(&self) -> Vec<(TypeId, &'static str)> {
                vec![$((TypeId::of::<$name>(), type_name::<$name>())),*]
            }
        }
    };
}

sets!();
sets!(A);
sets!(A B);
sets!(A B C);
sets!(A B C D);
sets!(A B C D E);
sets!(A B C D E F);
sets!(A B C D E F G);
sets!(A B C D E F G H);
