"""What an untrusted URL may reach: only http(s), only public addresses.

The address is checked where the socket is opened, on the very address that is then connected to, so
neither a redirect nor a DNS answer that changes between check and use can get past it.
"""

import asyncio
import contextlib
import ipaddress
import re
import socket
import threading

import httpcore
import httpx

from helpers.images.statuses import ImageError

# What IANA's special-purpose registries call not globally reachable, and a few more: 192.88.99.0/24
# was once the 6to4 relays', 168.63.129.16 is Azure's host agent. Python's own list differs between
# its versions.
_INSIDE = [
    ipaddress.ip_network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
    )
]
_GLOBAL_V6 = ipaddress.ip_network(
    "2000::/3"
)  # fe80::/10, fec0::/10, fc00::/7 and ff00::/8 lie outside
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_MOST_LOOKUPS = 256
_MOST_ADDRESSES = 4


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: not private, loopback, link-local,
    metadata, multicast …

    IPv6 forms that carry an IPv4 address (mapped, 6to4, NAT64) are judged by that address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        carried = _carried_v4(ip)
        if carried is not None:
            return is_public(str(carried))
        if ip not in _GLOBAL_V6:
            return False
    if any(ip in block for block in _INSIDE if block.version == ip.version):
        return False
    return ip.is_global


def _carried_v4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside an IPv6 address, if it is of a form that holds one."""
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def parse_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """An absolute http(s) URL, IDNA- and percent-encoded, without fragment and credentials.

    Raises
    ------
    ImageError
        `bad_url`, or `refused_scheme` for file:, data:, ftp: …
    """
    text = str(text).strip()
    beginning = text[:80]
    try:
        url = _absolute(text, base)
        scheme = url.scheme
        host_is_plain = re.fullmatch(rb"[\w.:-]+", url.raw_host) is not None
        port_is_valid = url.port is None or 0 < url.port < 65536
        if url.fragment or url.userinfo:
            url = url.copy_with(fragment=None, username=None, password=None)
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError, IndexError) as error:
        raise ImageError("bad_url", f"{beginning} ({error})") from error
    if scheme and scheme not in ("http", "https"):
        raise ImageError("refused_scheme", f"{scheme}: {beginning}")
    if not scheme or not host_is_plain or not port_is_valid:
        raise ImageError("bad_url", beginning)
    return url


def _absolute(text: str, base: httpx.URL | None) -> httpx.URL:
    if base is not None:
        return base.join(text)
    if text.startswith("//"):
        return httpx.URL("https:" + text)
    return httpx.URL(text)


def host_of(url: httpx.URL) -> str:
    """The host as it is looked up: lower case, IDNA, no final dot."""
    return url.raw_host.decode("ascii").lower().rstrip(".")


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """httpcore's network, but refusing every address that isn't public.

    Parameters
    ----------
    resolve : dict of host → (address, port)
        Like curl's `--resolve`: connect there instead; counts as permission for that host.
    """

    def __init__(self, resolve: dict | None = None):
        self._resolve: dict[str, tuple[str, int]] = {}
        for host, place in (resolve or {}).items():
            address, port = place
            known = (str(address), int(port))
            self._resolve[host.lower()] = known
        self._inner: httpcore.AsyncNetworkBackend = httpcore.AnyIOBackend()
        self._lookups: dict[str, asyncio.Task[list[str]]] = {}
        self._threads = asyncio.Semaphore(_MOST_LOOKUPS)

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        """Open a connection to the first checked address that answers; see httpcore."""
        name = host.lower().rstrip(".")
        options = (timeout, local_address, socket_options)
        if name in self._resolve:
            address, port = self._resolve[name]
            return await self._inner.connect_tcp(address, port, *options)
        addresses = await self.addresses(name, port, timeout)
        for address in addresses[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._inner.connect_tcp(address, port, *options)
        try:
            return await self._inner.connect_tcp(addresses[-1], port, *options)
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            self._lookups.pop(name, None)  # it may have moved: the next attempt looks it up anew
            raise

    async def addresses(self, name: str, port: int, timeout: float | None) -> list[str]:
        """Checked addresses of a host, looked up once for all who ask; [] for a host of `resolve`.

        Raises
        ------
        ImageError
            `dns_failure`, or `refused_address` if any of them isn't public.
        """
        if name in self._resolve:
            return []
        if name not in self._lookups:
            self._lookups[name] = asyncio.create_task(self._checked(name, port, timeout))
        lookup = self._lookups[name]
        try:
            return await asyncio.shield(lookup)
        except ImageError:
            if self._lookups.get(name) is lookup:
                del self._lookups[name]
            raise

    async def close(self) -> None:
        """Forget all lookups; those under way are left to end by themselves."""
        for lookup in self._lookups.values():
            lookup.cancel()
        await asyncio.gather(*self._lookups.values(), return_exceptions=True)
        self._lookups.clear()

    async def _checked(self, name: str, port: int, timeout: float | None) -> list[str]:
        addresses = await self._lookup(name, port, timeout)
        for address in addresses:
            if not is_public(address):
                raise ImageError("refused_address", f"{name} is {address}")
        return addresses

    async def _lookup(self, host: str, port: int, timeout: float | None) -> list[str]:
        """Ask the system, in a thread of its own: in a pool, hosts whose DNS hangs would keep all
        others waiting.
        """
        await self._threads.acquire()
        loop = asyncio.get_running_loop()
        answer = loop.create_future()

        def finish(found, error: Exception | None) -> None:
            self._threads.release()
            if answer.cancelled():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def ask() -> None:
            found, error = [], None
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError, OverflowError) as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(finish, found, error)

        threading.Thread(target=ask, daemon=True).start()
        try:
            async with asyncio.timeout(timeout):
                found = await answer
        except (OSError, UnicodeError, OverflowError) as error:  # a TimeoutError is an OSError
            raise ImageError("dns_failure", f"{host}: {error or 'no answer'}") from error
        distinct = list(dict.fromkeys(entry[4][0] for entry in found))
        if not distinct:
            raise ImageError("dns_failure", f"{host}: no address")
        return distinct[:_MOST_ADDRESSES]

    async def connect_unix_socket(self, path, timeout=None, socket_options=None):
        """Never."""
        raise ImageError("refused_address", "unix socket")
