//! The publish times that this machine remembers. The store saves requests and decides nothing: if it cannot be used
//! the registry is asked, and if that cannot be asked the age is not known, which is said. The store's own errors are
//! left to those who depend on it.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::Case;
use crate::package::Ecosystem;
use crate::store::{Published, Store};

/// The time that remembering may wait for others that write. Somebody waits for the verdict.
const PATIENCE: Duration = Duration::from_millis(50);

pub(super) struct Memory {
    path: PathBuf,
    store: OnceCell<Option<Store>>,
}

impl Memory {
    /// The memory in the data directory `data`. It is opened only when it is needed.
    pub(super) fn new(data: &Path) -> Self {
        Self { path: Store::path_in(data), store: OnceCell::new() }
    }

    fn store(&self) -> Option<&Store> {
        self.store.get_or_init(|| Store::open_existing(&self.path).ok().flatten()).as_ref()
    }

    /// Adds the remembered times to `cases`.
    pub(super) fn recall(&self, cases: &mut [Case<'_>]) {
        let Some(store) = self.store() else { return };
        for ((ecosystem, registry), of_registry) in by_registry(cases.iter_mut(), |case| case) {
            let wanted = of_registry.iter().map(|case| (case.key.as_str(), case.artifact.as_str()));
            let Ok(times) = store.publish_times(ecosystem, &registry, wanted) else { return };
            for (case, time) in of_registry.into_iter().zip(times) {
                case.stored = time.and_then(|time| Timestamp::from_second(time).ok());
                case.known = case.known.into_iter().chain(case.stored).min();
            }
        }
    }

    /// The artifacts of a package that are remembered, and the times by which they were published.
    pub(super) fn anywhere(&self, ecosystem: Ecosystem, key: &str) -> Vec<(String, Timestamp)> {
        let known = self.store().and_then(|store| store.publish_times_anywhere(ecosystem, key).ok());
        let known = known.unwrap_or_default().into_iter();
        known.filter_map(|(artifact, time)| Some((artifact, Timestamp::from_second(time).ok()?))).collect()
    }

    /// Remembers the times by which the cases were published, if they are news. A time in the future is wrong, and
    /// would be wrong for good.
    pub(super) fn learn<'c, 't: 'c>(
        &self,
        times: impl Iterator<Item = (&'c Case<'t>, Timestamp)>,
        now: Timestamp,
    ) {
        let is_news = |(case, time): &(&Case<'_>, Timestamp)| {
            case.told.registry.is_some()
                && *time <= now
                && case.stored.is_none_or(|stored| full_second(*time) < stored.as_second())
        };
        let mut news = times.filter(is_news).peekable();
        if news.peek().is_none() {
            return;
        }
        let Ok(mut store) = Store::open(&self.path) else { return };
        if store.set_patience(PATIENCE).is_err() {
            return;
        }
        for ((ecosystem, registry), of_registry) in by_registry(news, |(case, _)| case) {
            let published = of_registry.into_iter().map(|(case, time)| Published {
                key: case.key.clone(),
                version: case.artifact.clone(),
                time: full_second(time),
            });
            let published: Vec<_> = published.collect();
            // A time that is not remembered costs a request next time; a process that holds the store holds it for
            // the rest, too.
            if store.put_publish_times(ecosystem, &registry, &published).is_err() {
                return;
            }
        }
    }
}

/// The first full second that is not before `time`, so that nothing looks older than it is.
fn full_second(time: Timestamp) -> i64 {
    time.as_second() + i64::from(time.subsec_nanosecond() > 0)
}

/// Those of `items` whose case has a registry, by that.
fn by_registry<T>(
    items: impl Iterator<Item = T>,
    case: impl for<'b> Fn(&'b T) -> &'b Case<'b>,
) -> BTreeMap<(Ecosystem, String), Vec<T>> {
    let mut groups: BTreeMap<_, Vec<T>> = BTreeMap::new();
    for item in items {
        let of = case(&item);
        if let Some(registry) = of.told.registry.clone() {
            groups.entry((of.target.package.ecosystem, registry)).or_default().push(item);
        }
    }
    groups
}
