//! Every way to loosen what an administrator has laid down.
