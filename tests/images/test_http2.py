"""HTTP/2 is used where TLS offers it, and a certificate nobody vouches for is not accepted."""

import asyncio
import datetime
import ssl
import threading

import pandas as pd
import pytest
from fault_server import photo

from helpers.images.fetch import fetch_images
from helpers.images.limits import Limits

h2 = pytest.importorskip("h2.connection")
x509 = pytest.importorskip("cryptography.x509")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for shop.test, signed by itself."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(1)).not_valid_after(
        now + datetime.timedelta(1)
    )
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.test")]), False)
    path = tmp_path_factory.mktemp("tls") / "shop.pem"
    form = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(
        key.private_bytes(*form) + made.sign(key, hashes.SHA256()).public_bytes(form[0])
    )
    return path


@pytest.fixture
def server(certificate):
    """An HTTP/2 server with twenty photos: yields (port, list of connections made)."""
    from h2.config import H2Configuration
    from h2.events import RequestReceived

    connections, ready, state = [], threading.Event(), {}

    async def talk(reader, writer) -> None:
        connections.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        link = h2.H2Connection(H2Configuration(client_side=False))
        link.initiate_connection()
        writer.write(link.data_to_send())
        while data := await reader.read(65536):
            for event in link.receive_data(data):
                if isinstance(event, RequestReceived):
                    path = dict(event.headers)[b":path"].decode()
                    found = path.endswith(".jpg")
                    link.send_headers(event.stream_id, [(":status", "200" if found else "404")])
                    link.send_data(
                        event.stream_id, photo(int(path[1:-4])) if found else b"", end_stream=True
                    )
            writer.write(link.data_to_send())
            await writer.drain()
        writer.close()

    async def main() -> None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
        tls.set_alpn_protocols(["h2", "http/1.1"])
        listening = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
        state.update(
            port=listening.sockets[0].getsockname()[1],
            loop=asyncio.get_running_loop(),
            stop=asyncio.Event(),
        )
        ready.set()
        await state["stop"].wait()
        listening.close()

    thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    thread.start()
    ready.wait()
    yield state["port"], connections
    state["loop"].call_soon_threadsafe(state["stop"].set)
    thread.join(10)


def test_twenty_photos_over_one_connection(server, certificate, tmp_path):
    port, connections = server
    links = [[f"https://shop.test/{n}.jpg"] for n in range(20)]
    frame = pd.DataFrame({"image_key": [f"a/{n}" for n in range(20)], "image_urls": links})
    settings = {"resolve": {"shop.test": ("127.0.0.1", port)}, "workers": 1}
    trusting = ssl.create_default_context(cafile=certificate)
    rows = fetch_images(frame, tmp_path / "trusting", ssl_context=trusting, **settings)
    assert set(rows["status"]) == {"ok"}
    assert connections == ["h2"]
    limits = Limits(retries=0)
    rows = fetch_images(frame.iloc[:1], tmp_path / "wary", limits=limits, **settings)
    assert (
        list(rows["status"]) == ["unreachable"]
        and "CERTIFICATE_VERIFY_FAILED" in rows["detail"].iloc[0]
    )
