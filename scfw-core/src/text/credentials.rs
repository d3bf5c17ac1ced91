//! Secrets of addresses and command lines, which must not be shown or kept: user names, passwords, tokens and
//! signatures. If it is not certain what something is, it is hidden.

use std::borrow::Cow;

/// `text` without the secrets of its addresses: user names and passwords, and queries, which may hold a token or a
/// signature and read `[…]`.
#[must_use]
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    match without_user_information(text) {
        Cow::Borrowed(text) => without_queries(text),
        Cow::Owned(text) => Cow::Owned(without_queries(&text).into_owned()),
    }
}

/// `text` without the user names and passwords in its addresses (RFC 3986, section 3.2.1), and with `[…]` for text
/// that stands like them before a host without a scheme: `user:password@host`.
#[must_use]
pub fn without_user_information(text: &str) -> Cow<'_, str> {
    match without_bare_passwords(text) {
        Cow::Borrowed(text) => without_authorities_users(text),
        Cow::Owned(text) => Cow::Owned(without_authorities_users(&text).into_owned()),
    }
}

/// Schemes whose addresses npm and git read without slashes too (the WHATWG URL standard, "special authority ignore
/// slashes state"), and npm's short names of repositories, which take a user as well.
const NETWORK_SCHEMES: [&str; 12] =
    ["http", "https", "ws", "wss", "ftp", "ssh", "git", "github", "gitlab", "bitbucket", "gist", "sourcehut"];

/// The words before a colon that are no user: the word behind it is a package, a path or a person.
const NO_USERS: [&str; 8] = ["npm", "pypi", "pkg", "jsr", "file", "link", "workspace", "mailto"];

/// The place of the authority of the first address in `text`, in bytes.
fn find_authority(text: &str) -> Option<usize> {
    text.match_indices(':').find_map(|(colon, _)| {
        let in_scheme = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.');
        let (before, behind) = (&text[..colon], &text[colon + 1..]);
        let scheme = &before[before.trim_end_matches(in_scheme).len()..];
        let slashes = behind.len() - behind.trim_start_matches(['/', '\\']).len();
        if is_one_of(&NETWORK_SCHEMES, scheme) {
            Some(colon + 1 + slashes)
        } else {
            behind.starts_with("//").then_some(colon + 3)
        }
    })
}

fn is_one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn without_queries(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(start) = find_authority(rest) {
        // A quote is no part of an address (RFC 3986), and in JSON another value follows.
        let ends = |character: char| character.is_whitespace() || matches!(character, '"' | '<' | '>');
        let url_end = rest[start..].find(ends).map_or(rest.len(), |end| start + end);
        let fragment = rest[start..url_end].find('#').map_or(url_end, |at| start + at);
        let query = rest[start..fragment].find('?').map(|at| start + at + 1);
        if let Some(query) = query.filter(|query| *query < fragment) {
            clean.extend([&rest[..query], "[…]", &rest[fragment..url_end]]);
        } else {
            clean.push_str(&rest[..url_end]);
        }
        rest = &rest[url_end..];
    }
    clean.push_str(rest);
    if clean == text { Cow::Borrowed(text) } else { Cow::Owned(clean) }
}

/// The part of `text` up to where an authority ends at the latest.
fn authority(text: &str) -> &str {
    let ends = |character: char| matches!(character, '/' | '?' | '#') || character.is_whitespace();
    &text[..text.find(ends).unwrap_or(text.len())]
}

fn without_authorities_users(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(start) = find_authority(rest) {
        let (scheme, behind) = rest.split_at(start);
        let authority = authority(behind);
        let host = authority.rfind('@').map_or(0, |at| at + 1);
        clean.push_str(scheme);
        clean.push_str(&authority[host..]);
        rest = &behind[authority.len()..];
    }
    if clean.len() + rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

/// `user:password@`, unless it is the name of a folder.
fn without_bare_passwords(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut done = 0;
    let mut start = 0;
    while start < text.len() {
        let part = authority(&text[start..]);
        if let Some((user, host)) = find_bare_password(part) {
            let before = &text[..start];
            let is_path = before.ends_with('/') && !before.ends_with("//") && !before.ends_with(":/");
            if user > 0 || !is_path {
                clean.extend([&text[done..start + user], "[…]"]);
                done = start + host;
            }
        }
        let end = start + part.len();
        start = end + text[end..].chars().next().map_or(1, char::len_utf8);
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    clean.push_str(&text[done..]);
    Cow::Owned(clean)
}

/// The places in `part`, which has no slash in it, of the user's beginning and of the `@` before the host.
fn find_bare_password(part: &str) -> Option<(usize, usize)> {
    // A user can be called almost anything; these rather begin something new.
    const NO_NAME: &[char] =
        &['@', ':', '=', ',', ';', '"', '\'', '`', '(', ')', '[', ']', '{', '}', '<', '>', '|', '\\'];
    let host = part.rfind('@')?;
    part[..host].match_indices(':').find_map(|(colon, _)| {
        let user = part[..colon].rfind(NO_NAME).map_or(0, |before| before + 1);
        let name = &part[user..colon];
        let is_user =
            !name.is_empty() && !is_one_of(&NO_USERS, name) && !is_one_of(&NETWORK_SCHEMES, scheme_of(name));
        (is_user && colon + 1 < host).then_some((user, host))
    })
}

/// `https` of `git+https`.
fn scheme_of(word: &str) -> &str {
    word.rsplit('+').next().unwrap_or(word)
}

/// The endings of options of pip and npm whose value is a secret, or can hold one in another form than a URL: npm's
/// `_authToken` and `otp`, pip's `proxy`, whose value has a password without any scheme before it.
const SECRET_ENDS: [&str; 9] =
    ["auth", "token", "password", "passwd", "secret", "otp", "proxy", "key", "cert"];
/// Whole names of such options, because pip and npm take any beginning of a name that is of no other.
const SECRET_OPTIONS: [&str; 9] =
    ["auth", "authtoken", "password", "token", "otp", "proxy", "httpproxy", "httpsproxy", "clientcert"];
/// The fewest letters of a name that are taken for it.
const SHORTEST_BEGINNING: usize = 2;

/// Whether the value of an option, which is without its dashes, is a secret.
fn is_for_secrets(option: &str) -> bool {
    let name = option.to_ascii_lowercase().replace(['-', '_'], "");
    let is_beginning = name.len() >= SHORTEST_BEGINNING
        && SECRET_OPTIONS.iter().any(|option| option.starts_with(name.as_str()));
    let is_whole = SECRET_ENDS.iter().any(|word| name.ends_with(word)) && name != "noproxy";
    is_beginning || is_whole
}

/// `arguments` of a manager without secrets: user names, passwords and queries of addresses, and the values of
/// options that hold secrets, which read `[…]`.
#[must_use]
pub fn arguments_without_credentials(arguments: &[String]) -> Vec<String> {
    let mut kept = Vec::with_capacity(arguments.len());
    let mut is_secret = false;
    for argument in arguments {
        let name = argument.split('=').next().unwrap_or_default();
        // npm takes any number of dashes, and its options are per registry too: --//registry.example/:_authToken=…
        let option = name.strip_prefix('-').map(|name| name.rsplit(':').next().unwrap_or_default());
        let names_secret = option.is_some_and(is_for_secrets);
        kept.push(match (names_secret, is_secret && !argument.starts_with('-')) {
            (true, _) if name.len() < argument.len() => format!("{}=[…]", without_credentials(name)),
            (false, true) => "[…]".to_owned(),
            _ => without_credentials(argument).into_owned(),
        });
        is_secret = names_secret && name.len() == argument.len();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn credentials_are_taken_out_of_urls() {
        assert_eq!(without_credentials("https://user:t0ken@host/simple/?a=b@c"), "https://host/simple/?[…]");
        assert_eq!(without_credentials("https://host/@scope/pkg"), "https://host/@scope/pkg");
        assert_eq!(without_credentials("git+ssh://git@host/a.git#x@y"), "git+ssh://host/a.git#x@y");
        assert_eq!(without_credentials("not a url"), "not a url");
        let json = r#"{"d":"https://host/p?x=[…]","e":2}"#;
        assert_eq!(without_credentials(&json.replace("[…]", "t0ken")), json.replace("x=", ""));
        assert_eq!(without_credentials("https://host/a?token=t0ken#egg=a"), "https://host/a?[…]#egg=a");
        assert_eq!(without_credentials("https://u:p@host?token=t0ken"), "https://host?[…]");
        assert_eq!(without_credentials("https://host/a?#b?c"), "https://host/a?#b?c");
        assert_eq!(
            without_credentials("-i=https://a:b@one/x https://c@two\thttps://three:4"),
            "-i=https://one/x https://two\thttps://three:4"
        );
    }

    #[test]
    fn credentials_are_taken_out_of_addresses_that_lack_slashes_or_a_scheme() {
        for (text, clean) in [
            ("left-pad@http:u:S@h/x.tgz", "left-pad@http:h/x.tgz"),
            ("http:/u:S@h/x?sig=S", "http:/h/x?[…]"),
            (r"HTTPS:\\u:S@h/x", r"HTTPS:\\h/x"),
            ("https:////S@h/x", "https:////h/x"),
            ("git+https:S@h/x.git", "git+https:h/x.git"),
            ("github:user:S@o/r", "github:o/r"),
            ("gist:S@0123", "gist:0123"),
            ("u:S@host:repo", "[…]@host:repo"),
            ("name@u:S@host.example:o/r#v1", "name@[…]@host.example:o/r#v1"),
            ("--index-url=u:S@h/simple", "--index-url=[…]@h/simple"),
            ("--@scope:registry=https://u:S@h/", "--@scope:registry=https://h/"),
            ("-iu:S@h", "[…]@h"),
            ("//u:S@h/x", "//[…]@h/x"),
            ("u^é:S@h:r 'v:S@h'", "[…]@h:r '[…]@h'"),
            ("asked u:S@h:80, then http:v:S@i", "asked […]@h:80, then http:i"),
            ("ann@a.example:S@h:o/r", "ann@[…]@h:o/r"),
        ] {
            assert_eq!(without_credentials(text), clean);
        }
    }

    #[test]
    fn what_only_looks_like_credentials_stays() {
        for text in [
            "@scope/name@1.0.0", "npm:@scope/x@1", "npm:left-pad@1.3.0", "name@npm:@scope/other@^1",
            "name@npm:left-pad@1", "pypi:requests@2.31.0", "pkg:npm/%40scope/x@1.0.0",
            "pkg:pypi/django@1.11.1", "git+ssh://host/a.git#x@y", "pkg @ https://host/a@b.whl",
            "https://host/a:b@c/d", "https://[::1]:8080/x@1", "ann@example.org", "mailto:ann@example.org",
            "git@host.example:o/r.git", "github:o/r#semver:^1", "file:../a:b@1.tgz", "file:left-pad@1.tgz",
            "jsr:@std/path@1", "package.json:12:3: left-pad@1 is odd", "http: nobody@home",
            r#"{"name":"x@y"}"#,
        ] {
            assert_eq!(without_credentials(text), text);
        }
    }

    #[test]
    fn credentials_are_taken_out_of_arguments() {
        let stripped = |line: &str| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            arguments_without_credentials(&words).join(" ")
        };
        for (line, kept) in [
            ("install --index-url=https://u:p@host/simple a", "install --index-url=https://host/simple a"),
            ("install --//host/:_authToken=secret a", "install --//host/:_authToken=[…] a"),
            ("install --_authToken secret a", "install --_authToken […] a"),
            ("install --otp=123456 --proxy u:p@host:80 a", "install --otp=[…] --proxy […] a"),
            ("install a@https://host/a.tgz?token=secret", "install a@https://host/a.tgz?[…]"),
            ("install --otp --save a@1.0.0", "install --otp --save a@1.0.0"),
            ("install a==1 --no-proxy -r x", "install a==1 --no-proxy -r x"),
            ("install -//host/:_authToken=S a", "install -//host/:_authToken=[…] a"),
            ("install --//u:S@h/:_authToken=S a", "install --//[…]@h/:_authToken=[…] a"),
            ("install -otp=S a -otp S b", "install -otp=[…] a -otp […] b"),
            ("install ---otp=S --ot S --//h/:_auth S", "install ---otp=[…] --ot […] --//h/:_auth […]"),
            ("install --prox u:S@h:80 --prox=S", "install --prox […] --prox=[…]"),
            ("install --https-p S --_authT=S", "install --https-p […] --_authT=[…]"),
            ("install a@http:u:S@h/a.tgz u:S@h:r", "install a@http:h/a.tgz […]@h:r"),
        ] {
            assert_eq!(stripped(line), kept);
        }
    }

    #[test]
    fn the_values_of_common_options_stay_readable() {
        let options = "--target --platform --python-version --prefix --progress-bar --pre --package --path --tag \
            --timeout --audit --audit-level --cache-dir --cache --constraint --requirement --index-url --registry \
            --only-binary --os --cpu --omit --pack-destination --keyring-provider --auth-type --access --workspace \
            --scope --save-dev -D -g -w -r -c -t -e -i -U -q";
        for option in options.split_whitespace() {
            let arguments = [option.to_owned(), "value".to_owned(), format!("{option}=value")];
            assert_eq!(arguments_without_credentials(&arguments), arguments);
        }
    }

    proptest! {
        #[test]
        fn no_secret_of_any_form_is_left_and_what_is_clean_stays_so(
            before in "([a-z@/-]{0,6}[@= ])?",
            scheme in "(git\\+)?(https?|ssh|ftp):[/\\\\]{0,4}|[a-z]{3}://|github:|//|",
            user in "[a-zé0-9._~%+^*!$&-]{1,9}",
            secret in "[a-zA-Z0-9:@!$,;&=*'()_~.+%-]{0,12}",
            behind in "@h\\.example[a-z:/?#. ]{0,20}",
        ) {
            prop_assume!(!is_one_of(&NO_USERS, &user) && !is_one_of(&NETWORK_SCHEMES, &user));
            let text = format!("{before}{scheme}{user}:S3CRET{secret}{behind}");
            let clean = without_credentials(&text).into_owned();
            prop_assert!(!clean.contains("S3CRET"), "{}", clean);
            prop_assert_eq!(without_credentials(&clean), clean.as_str());
            let argument = arguments_without_credentials(std::slice::from_ref(&text)).concat();
            prop_assert!(!argument.contains("S3CRET"), "{}", argument);
        }

        #[test]
        fn no_text_is_too_odd(text in ".*") {
            drop(without_credentials(&text));
        }
    }
}
