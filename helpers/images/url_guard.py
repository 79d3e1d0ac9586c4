"""What an untrusted URL may reach: only http(s), only public addresses.

The address is checked where the socket is opened, on the very address that is then connected to, so neither a
redirect nor a DNS answer that changes between check and use can get past it.
"""

import asyncio
import ipaddress
import re
import socket

import httpcore
import httpx

from helpers.images.decode import ImageError

# Addresses that count as global but lead inside: Azure's host agent and NAT64 (checked by the IPv4 address within).
_METADATA = {ipaddress.ip_address("168.63.129.16")}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: not private, loopback, link-local, metadata, multicast …

    IPv6 forms that carry an IPv4 address (mapped, 6to4, Teredo, NAT64) are judged by that address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 6:
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and ip not in _METADATA


def parse_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """An absolute http(s) URL, IDNA- and percent-encoded, without fragment and credentials.

    Raises
    ------
    ImageError
        `bad_url`, or `refused_scheme` for file:, data:, ftp: …
    """
    try:
        text = str(text).strip()
        url = (
            base.join(text)
            if base
            else httpx.URL("https:" + text if text.startswith("//") else text)
        )
        if url.scheme and url.scheme not in ("http", "https"):
            raise ImageError("refused_scheme", f"{url.scheme}: {text[:80]}")
        if not url.scheme or not re.fullmatch(rb"[\w.:-]+", url.raw_host):
            raise ImageError("bad_url", text[:80])
        return (
            url.copy_with(fragment=None, username=None, password=None)
            if url.fragment or url.userinfo
            else url
        )
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError) as error:
        raise ImageError("bad_url", f"{text[:80]} ({error})") from error


def host_of(url: httpx.URL) -> str:
    """The host as it is looked up: lower case, IDNA, no final dot."""
    return url.raw_host.decode("ascii").lower().rstrip(".")


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """httpcore's network, but refusing every address that isn't public unless its host is allowed by name.

    Parameters
    ----------
    resolve : dict of host → (address, port)
        Like curl's `--resolve`: connect there instead; counts as permission for that host.
    allow : iterable of str
        Hosts whose private addresses may be reached.
    """

    def __init__(self, resolve=None, allow=()):
        self._resolve = {
            host.lower(): (str(address), int(port))
            for host, (address, port) in (resolve or {}).items()
        }
        self._allow = {host.lower() for host in allow}
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        """Open a connection to the first checked address that answers; see httpcore."""
        name = host.lower().rstrip(".")
        if name in self._resolve:
            address, port = self._resolve[name]
            return await self._inner.connect_tcp(
                address, port, timeout, local_address, socket_options
            )
        addresses = await self._lookup(name, port, timeout)
        if name not in self._allow:
            for address in addresses:
                if not is_public(address):
                    raise ImageError("refused_address", f"{name} is {address}")
        for position, address in enumerate(addresses):
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses) - 1:
                    raise

    async def _lookup(self, host: str, port: int, timeout: float | None) -> list[str]:
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(
                    host, port, type=socket.SOCK_STREAM
                )
        except (TimeoutError, OSError, UnicodeError) as error:
            raise ImageError("dns_failure", f"{host}: {error or 'no answer'}") from error
        return list(dict.fromkeys(entry[4][0] for entry in found))[:4]

    async def connect_unix_socket(self, path, timeout=None, socket_options=None):
        """Never."""
        raise ImageError("refused_address", "unix socket")
