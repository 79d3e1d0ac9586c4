"""placeholder"""


def deck(profile: str, dark: bool = False) -> str:
    return ""
