"""Early stopping: the best state on the validation data, and when to give up looking further."""

import numpy as np


class BestSoFar:
    """Keeps the state with the highest validation value.

    Parameters
    ----------
    patience : int
        Epochs without a better value after which training stops.

    Attributes
    ----------
    state : object or None
        The best state offered so far; None if there was none.
    """

    def __init__(self, patience: int):
        self.patience = patience
        self.value = -np.inf
        self.epoch = 0
        self.state = None

    def says_stop(self, value: float, epoch: int, state) -> bool:
        """Keep `state` if it is the best yet; True when the last best one is too long ago."""
        if value > self.value:
            self.value = value
            self.epoch = epoch
            self.state = state
            return False
        return epoch - self.epoch >= self.patience
