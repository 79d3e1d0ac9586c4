"""The one policy for trying again: what failed for a passing reason, after pauses that grow or that
the server chose.
"""

import asyncio
import random

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_base, wait_exponential

from helpers.images.limits import Limits
from helpers.images.statuses import RETRIED, HostClosed, ImageError


class _Pause(wait_base):
    """The server's own Retry-After, else `backoff`, doubled each time and up to a half longer by
    chance.
    """

    def __init__(self, limits: Limits, jitter: random.Random):
        self._doubling = wait_exponential(multiplier=limits.backoff, max=limits.longest_wait)
        self._jitter = jitter

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if isinstance(error, ImageError) and error.wait is not None:
            return error.wait
        return self._doubling(retry_state) * (1 + self._jitter.random() / 2)


def retrying(limits: Limits, jitter: random.Random) -> AsyncRetrying:
    """Call a coroutine function up to 1 + `limits.retries` times.

    The last attempt's ImageError is raised.
    """

    def may_pass(error: BaseException) -> bool:
        if not isinstance(error, ImageError) or isinstance(error, HostClosed):
            return False
        wait = error.wait or 0.0
        return error.status in RETRIED and wait <= limits.longest_wait

    return AsyncRetrying(
        sleep=asyncio.sleep,
        stop=stop_after_attempt(1 + limits.retries),
        wait=_Pause(limits, jitter),
        retry=retry_if_exception(may_pass),
        reraise=True,
    )
