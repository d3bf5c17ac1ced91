//! Every way to loosen a policy, key by key.
