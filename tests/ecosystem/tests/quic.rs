//! QUIC: quinn on gort's sockets, timers and goroutines.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use gort::quinn::GortRuntime;
use gort::{JoinHandle, go};
use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig, RecvStream, SendStream,
    ServerConfig, TransportConfig,
};

/// Longer than anything here takes.
const GUARD: Duration = Duration::from_secs(120);

const NAME: &str = "localhost";

/// A server and a client that believes its certificate.
struct Configs {
    server: ServerConfig,
    client: ClientConfig,
}

fn configs() -> Result<Configs, Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let certificate = CertificateDer::from(made.cert);
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    Ok(Configs {
        server: ServerConfig::with_single_cert(vec![certificate], key.into())?,
        client: ClientConfig::with_root_certificates(Arc::new(roots))?,
    })
}

/// An endpoint on a port of its own.
fn endpoint(server: Option<ServerConfig>) -> io::Result<Endpoint> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let runtime = Arc::new(GortRuntime::new());
    Endpoint::new(EndpointConfig::default(), server, socket, runtime)
}

/// Echoes each stream of each connection in a goroutine, until the endpoint is closed.
async fn echo(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        go(async move {
            let connection = incoming.await?;
            loop {
                let (send, receive) = connection.accept_bi().await?;
                go(echo_stream(send, receive));
            }
            #[expect(unreachable_code, reason = "it names the type of the errors")]
            Ok::<(), ConnectionError>(())
        });
    }
}

async fn echo_stream(
    mut send: SendStream,
    mut receive: RecvStream,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    while let Some(chunk) = receive.read_chunk(usize::MAX, true).await? {
        send.write_chunk(chunk.bytes).await?;
    }
    Ok(send.finish()?)
}

/// What comes back on a stream of its own.
async fn ask(
    connection: &Connection,
    bytes: Vec<u8>,
) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let (mut send, mut receive) = connection.open_bi().await?;
    let length = bytes.len();
    let writing = go(async move {
        send.write_all(&bytes).await?;
        send.finish()?;
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });
    let back = receive.read_to_end(length).await?;
    writing.await.expect("no panic")?;
    Ok(back)
}

/// A server that echoes, and a connection to it.
async fn connected() -> Result<(Endpoint, Endpoint, Connection), Box<dyn Error>> {
    let Configs { server, client } = configs()?;
    let server = endpoint(Some(server))?;
    let addr = server.local_addr()?;
    go(echo(server.clone()));
    let mut asking = endpoint(None)?;
    asking.set_default_client_config(client);
    let connection = asking.connect(addr, NAME)?.await?;
    Ok((server, asking, connection))
}

#[gort::test]
async fn streams_of_quic_echo_in_goroutines() -> Result<(), Box<dyn Error>> {
    let (server, client, connection) = connected().await?;
    let asked: Vec<JoinHandle<()>> = (0..20)
        .map(|n: usize| {
            let connection = connection.clone();
            go(async move {
                let bytes: Vec<u8> = (0..10_000).map(|m| (m * n) as u8).collect();
                let back = ask(&connection, bytes.clone()).await;
                assert!(back.expect("it echoes") == bytes);
            })
        })
        .collect();
    for asked in asked {
        gort::time::timeout(GUARD, asked).await?.expect("no panic");
    }
    connection.close(0u32.into(), b"done");
    server.close(0u32.into(), b"done");
    gort::time::timeout(GUARD, client.wait_idle()).await?;
    Ok(())
}

#[gort::test]
async fn more_than_the_buffers_hold_comes_back_whole() -> Result<(), Box<dyn Error>> {
    let (_server, _client, connection) = connected().await?;
    let bytes: Vec<u8> = (0..4usize << 20).map(|n| (n / 251) as u8).collect();
    let back = gort::time::timeout(GUARD, ask(&connection, bytes.clone())).await?;
    assert!(back.expect("it echoes") == bytes);
    Ok(())
}

#[gort::test]
async fn a_datagram_that_nobody_answers_is_sent_again() -> Result<(), Box<dyn Error>> {
    let silent = gort::net::UdpSocket::bind("127.0.0.1:0").await?;
    let mut asking = endpoint(None)?;
    asking.set_default_client_config(configs()?.client);
    let connecting = asking.connect(silent.local_addr()?, NAME)?;
    let twice = async {
        let mut datagram = [0; 2048];
        let (_, first) = silent.recv_from(&mut datagram).await?;
        let (_, second) = silent.recv_from(&mut datagram).await?;
        assert_eq!(first, second);
        io::Result::Ok(())
    };
    gort::time::timeout(GUARD, twice).await??;
    drop(connecting);
    Ok(())
}

#[gort::test]
async fn a_connection_to_nobody_ends_in_time() -> Result<(), Box<dyn Error>> {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let Configs { mut client, .. } = configs()?;
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(Duration::from_millis(50).try_into()?));
    client.transport_config(Arc::new(transport));
    let mut asking = endpoint(None)?;
    asking.set_default_client_config(client);
    let connecting = asking.connect(silent.local_addr()?, NAME)?;
    let connected = gort::time::timeout(GUARD, connecting).await?;
    assert!(
        matches!(connected, Err(ConnectionError::TimedOut)),
        "{connected:?}"
    );
    Ok(())
}
