//! The OSV API: `POST /v1/querybatch`, page by page, and `GET /v1/vulns/<id>`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{Client, FeedError};
use crate::advisory::Advisory;
use crate::net::{host_of, join};
use crate::package::Package;

/// Queries in one batch; the API takes no more.
const BATCH: usize = 1000;
/// Largest answer to a batch, in bytes.
const LARGEST_BATCH: usize = 32 * 1024 * 1024;
/// Largest advisory, in bytes.
const LARGEST_ADVISORY: usize = 8 * 1024 * 1024;
/// Most pages of one batch; the API gives 1,000 advisories a page.
const MOST_PAGES: usize = 50;
/// Requests under way at once.
const AT_ONCE: usize = 16;

#[derive(Debug, Clone, Serialize)]
struct Query {
    package: QueryPackage,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_token: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct QueryPackage {
    name: String,
    ecosystem: &'static str,
}

#[derive(Serialize)]
struct Batch<'a> {
    queries: &'a [Query],
}

#[derive(Deserialize)]
struct BatchAnswer {
    #[serde(default)]
    results: Vec<Option<QueryAnswer>>,
}

#[derive(Default, Deserialize)]
struct QueryAnswer {
    #[serde(default)]
    vulns: Vec<Identified>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Identified {
    id: String,
}

/// The ids of the advisories about each of `packages`, in their order, and why some may be missing.
pub async fn query(
    client: &Client,
    base: &str,
    packages: &[Package],
) -> (Vec<BTreeSet<String>>, Option<FeedError>) {
    let mut found = vec![BTreeSet::new(); packages.len()];
    let mut failure = None;
    let mut running = JoinSet::new();
    for (start, batch) in packages.chunks(BATCH).enumerate().map(|(index, batch)| (index * BATCH, batch)) {
        let queries: Vec<(usize, Query)> = batch
            .iter()
            .enumerate()
            .map(|(offset, package)| (start + offset, Query::about(package)))
            .collect();
        let (client, url) = (client.clone(), join(base, "v1/querybatch"));
        running.spawn(async move { query_batch(&client, &url, queries).await });
    }
    while let Some(answered) = running.join_next().await {
        let lost = |_| (Vec::new(), Some(FeedError::Malformed { host: host_of(base) }));
        let (ids, error) = answered.unwrap_or_else(lost);
        for (index, id) in ids {
            if let Some(ids) = found.get_mut(index) {
                ids.insert(id);
            }
        }
        failure = failure.or(error);
    }
    (found, failure)
}

impl Query {
    fn about(package: &Package) -> Self {
        Self {
            package: QueryPackage { name: package.key(), ecosystem: package.ecosystem.osv_name() },
            version: package.version.clone(),
            page_token: None,
        }
    }
}

/// One batch with all its pages. If a page fails, the earlier ones are kept.
async fn query_batch(
    client: &Client,
    url: &str,
    mut queries: Vec<(usize, Query)>,
) -> (Vec<(usize, String)>, Option<FeedError>) {
    let mut ids = Vec::new();
    for _page in 0..MOST_PAGES {
        let batch: Vec<Query> = queries.iter().map(|(_, query)| query.clone()).collect();
        let answer = match send_batch(client, url, &batch).await {
            Ok(answer) => answer,
            Err(error) => return (ids, Some(error)),
        };
        let mut next = Vec::new();
        for ((index, query), result) in queries.into_iter().zip(answer) {
            let result = result.unwrap_or_default();
            ids.extend(result.vulns.into_iter().map(|found| (index, found.id)));
            if let Some(token) = result.next_page_token.filter(|token| !token.is_empty()) {
                next.push((index, Query { page_token: Some(token), ..query }));
            }
        }
        if next.is_empty() {
            return (ids, None);
        }
        queries = next;
    }
    (ids, Some(FeedError::TooLarge { host: host_of(url) }))
}

async fn send_batch(
    client: &Client,
    url: &str,
    queries: &[Query],
) -> Result<Vec<Option<QueryAnswer>>, FeedError> {
    let malformed = || FeedError::Malformed { host: host_of(url) };
    let body = serde_json::to_vec(&Batch { queries }).map_err(|_| malformed())?;
    let request =
        client.http()?.post(url).header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
    let answer = client.send(request, url, LARGEST_BATCH).await?;
    let parsed: BatchAnswer =
        answer.body.and_then(|body| serde_json::from_slice(&body).ok()).ok_or_else(malformed)?;
    // An answer to fewer or more questions than were asked answers none of them.
    if parsed.results.len() == queries.len() { Ok(parsed.results) } else { Err(malformed()) }
}

/// The advisories behind `ids`, as many as could be had, and the reason why some are missing.
pub async fn advisories(
    client: &Client,
    base: &str,
    ids: impl IntoIterator<Item = String>,
) -> (BTreeMap<String, Advisory>, Option<FeedError>) {
    let mut found = BTreeMap::new();
    let mut failure = None;
    let mut waiting = ids.into_iter().filter(|id| is_sensible_id(id));
    let mut running = JoinSet::new();
    loop {
        while running.len() < AT_ONCE
            && let Some(id) = waiting.next()
        {
            let (client, url) = (client.clone(), join(base, &format!("v1/vulns/{id}")));
            running.spawn(async move { (fetch_advisory(&client, &url).await, id) });
        }
        let Some(fetched) = running.join_next().await else { break };
        match fetched {
            Ok((Ok(advisory), id)) => {
                found.insert(id, advisory);
            }
            Ok((Err(error), _)) => failure = failure.or(Some(error)),
            Err(_) => failure = failure.or_else(|| Some(FeedError::Malformed { host: host_of(base) })),
        }
    }
    (found, failure)
}

async fn fetch_advisory(client: &Client, url: &str) -> Result<Advisory, FeedError> {
    let answer = client.send(client.http()?.get(url), url, LARGEST_ADVISORY).await?;
    answer
        .body
        .and_then(|body| Advisory::parse(&body).ok())
        .ok_or_else(|| FeedError::Malformed { host: host_of(url) })
}

/// Whether `id` can be part of a URL's path: letters, digits and the characters that join them in ids.
pub(super) fn is_sensible_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | ':' | '.'))
        && !id.starts_with('.')
}
