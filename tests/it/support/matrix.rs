//! The matrix of managers: the same tests for each generation.

/// Makes a module of tests for each generation of npm that the gate covers: `test => function` calls the function with
/// the version.
macro_rules! for_each_npm {
    ($($test:ident => $function:ident;)+) => {
        for_each_npm! { npm_7 "7.24.2": $($test $function)+ }
        for_each_npm! { npm_8 "8.19.4": $($test $function)+ }
        for_each_npm! { npm_9 "9.9.4": $($test $function)+ }
        for_each_npm! { npm_10 "10.9.4": $($test $function)+ }
        for_each_npm! { npm_11_6 "11.6.2": $($test $function)+ }
        for_each_npm! { npm_11_19 "11.19.1": $($test $function)+ }
        for_each_npm! { npm_12 "12.2.2": $($test $function)+ }
    };
    ($module:ident $version:literal: $($test:ident $function:ident)+) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    super::$function($version);
                }
            )+
        }
    };
}

/// The same versions, for tests that go through them.
pub(crate) const NPM_VERSIONS: [&str; 7] =
    ["7.24.2", "8.19.4", "9.9.4", "10.9.4", "11.6.2", "11.19.1", "12.2.2"];

for_each_npm! {
    the_matrix_is_one => is_known;
}

fn is_known(version: &str) {
    assert!(NPM_VERSIONS.contains(&version), "{version}");
}
