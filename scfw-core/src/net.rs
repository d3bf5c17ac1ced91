//! What all HTTP of scfw has in common: the client, addresses and errors as messages show them, and how addresses are put
//! together.

use reqwest::ClientBuilder;
use reqwest::redirect::Policy;

/// Builds a client that follows `redirects`. Certificates are loaded only where a connection is encrypted, for that takes time.
pub(crate) fn client_builder(redirects: Policy, is_encrypted: bool) -> ClientBuilder {
    // Setting a provider fails where one is set already, which then serves.
    rustls::crypto::ring::default_provider().install_default().ok();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("scfw/", env!("CARGO_PKG_VERSION")))
        .redirect(redirects);
    if is_encrypted { builder } else { builder.tls_certs_only([]) }
}

/// The host in `url`, for messages. A text that is no URL may have a password anywhere in it, so none of it is shown.
pub(crate) fn host_of(url: &str) -> String {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| "the address".to_owned())
}

/// The last cause of an error, which is the one that tells something: `Connection refused`.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// `base` and `path` with exactly one slash between them, before the query that `base` may have.
pub(crate) fn join(base: &str, path: &str) -> String {
    let (base, query) = base.split_at(base.find(['?', '#']).unwrap_or(base.len()));
    format!("{}/{path}{query}", base.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_message_names_the_host_and_nothing_else_of_an_address() {
        assert_eq!(super::host_of("https://u:S@host:80/x?S"), "host");
        for url in ["u:S@host", "http://u:S@ho st/", "S", "", "http:///", "data:S"] {
            assert_eq!(super::host_of(url), "the address", "{url}");
        }
    }

    #[test]
    fn a_path_comes_before_the_query() {
        for (base, joined) in [
            ("https://host/a", "https://host/a/b/c.zip"),
            ("https://host/a//", "https://host/a/b/c.zip"),
            ("https://host/a/?token=x/y", "https://host/a/b/c.zip?token=x/y"),
        ] {
            assert_eq!(super::join(base, "b/c.zip"), joined);
        }
    }
}
