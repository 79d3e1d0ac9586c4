"""Which paths a host's robots.txt allows us to fetch."""

import re


class Robots:
    """A robots.txt by RFC 9309: the longest matching rule counts, `*` and `$` are understood.

    The standard library's parser takes the first match and knows no wildcards, which image rules are full of.
    """

    def __init__(self, text: str, agent: str):
        self.rules: list[tuple[str, bool]] = []
        self.delay = 0.0
        groups: dict[str, list] = {}
        names, open_group = [], False
        for line in text.splitlines():
            key, _, value = line.partition("#")[0].partition(":")
            key, value = key.strip().lower(), value.strip()
            if key == "user-agent":
                names = [*names, value.lower()] if open_group else [value.lower()]
                open_group = True
                groups.setdefault(value.lower(), [])
            elif key in ("allow", "disallow", "crawl-delay"):
                open_group = False
                for name in names:
                    groups[name].append((key, value))
        for key, value in groups.get(agent.lower(), groups.get("*", [])):
            if key == "crawl-delay":
                self.delay = min(float(value), 30.0) if re.fullmatch(r"\d+(\.\d+)?", value) else 0.0
            elif value:
                self.rules.append((value, key == "allow"))

    def allows(self, target: str) -> bool:
        """Whether path and query `target` may be fetched; of equally long rules the allowing one counts."""
        best = (0, True)
        for rule, allowed in self.rules:
            if _matches(rule, target):
                best = max(best, (len(rule), allowed))
        return best[1]


def _matches(rule: str, target: str) -> bool:
    """Glob by find, not by regular expression: a hostile rule can't make it backtrack."""
    first, *middle = rule.removesuffix("$").split("*")
    if not target.startswith(first):
        return False
    at = len(first)
    last = middle.pop() if middle and rule.endswith("$") else None
    for part in middle:
        at = target.find(part, at)
        if at < 0:
            return False
        at += len(part)
    if last is not None:
        return target.endswith(last) and len(target) - len(last) >= at
    return not rule.endswith("$") or at == len(target)
