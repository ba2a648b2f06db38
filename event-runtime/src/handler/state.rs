//! Values by type.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::fmt;

type Value = Box<dyn Any + Send + Sync>;

/// The app's state: one value of each type.
#[derive(Default)]
pub struct States {
    /// There are few: comparing is faster than a hash.
    values: BTreeMap<TypeId, (&'static str, Option<Value>)>,
    doubled: Vec<&'static str>,
}

impl States {
    /// Adds a value. A second one of a type is kept in mind as a fault, for the start to report.
    pub fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) {
        self.reserve::<T>();
        self.fill(value);
    }

    /// Announces a value that will be opened later.
    pub(crate) fn reserve<T: 'static>(&mut self) {
        if self
            .values
            .insert(TypeId::of::<T>(), (type_name::<T>(), None))
            .is_some()
        {
            self.doubled.push(type_name::<T>());
        }
    }

    /// Puts an announced value in.
    pub(crate) fn fill<T: Clone + Send + Sync + 'static>(&mut self, value: T) {
        self.values
            .insert(TypeId::of::<T>(), (type_name::<T>(), Some(Box::new(value))));
    }

    /// The value of this type.
    pub fn get<T: Clone + 'static>(&self) -> Option<T> {
        self.values
            .get(&TypeId::of::<T>())?
            .1
            .as_ref()?
            .downcast_ref()
            .cloned()
    }

    pub(super) fn contains(&self, id: TypeId) -> bool {
        self.values.contains_key(&id)
    }

    /// The types that were given more than once.
    pub(super) fn doubled(&self) -> &[&'static str] {
        &self.doubled
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.values.values().map(|(name, _)| name))
            .finish()
    }
}
