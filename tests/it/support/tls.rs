//! TLS in front of a server that speaks none, with a certificate that nobody has reason to trust.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// It serves until it is dropped.
pub(crate) struct Tls {
    /// Its certificate, in PEM: whoever trusts it can connect.
    pub(crate) certificate: String,
    port: u16,
    _until_the_end: oneshot::Sender<()>,
}

impl Tls {
    /// In front of the server of `url`.
    pub(crate) fn before(url: &str) -> Self {
        let address: SocketAddr = url.split('/').nth(2).unwrap().parse().unwrap();
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (until_the_end, end) = oneshot::channel();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let serve = async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not trust the certificate goes away.
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut server = TcpStream::connect(address).await.unwrap();
                    // It ends when one of the two has closed its side.
                    copy_bidirectional(&mut stream, &mut server).await.ok();
                });
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        thread::spawn(move || {
            runtime.block_on(async {
                let serving = tokio::spawn(serve);
                // It ends with the sender, too.
                end.await.ok();
                serving.abort();
            });
        });
        Self { certificate: cert.pem(), port, _until_the_end: until_the_end }
    }

    /// `url` of that server, over TLS.
    pub(crate) fn url(&self, url: &str) -> String {
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        format!("https://localhost:{}/{path}", self.port)
    }
}
