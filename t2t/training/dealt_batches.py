"""Several sources of batches in one run: a corpus for each language, or tasks and a corpus.

A step is of one source, as in `t2t.denoising.denoiser`: rows of one kind are about equally long, while half
of a batch of span corruption and prompts would be padding. Which source a step has is dealt from a deck, so
shares are kept within every deck, and each source goes through its own data as if the others were not there.

Papers: Raffel et al. 2020, arXiv:1910.10683, section 3.5.3 (multi-task pretraining, then fine-tuning);
Aribandi et al. 2022, arXiv:2111.10952 (ExT5: supervised tasks from the first step on); Liu et al. 2020,
arXiv:2001.08210, section 2.1 (mBART's languages, each drawn in proportion to size^0.7).
"""

from collections.abc import Sequence

from t2t.data.deck import Deck
from t2t.tokens.batches import Batch
from t2t.training.batches import Batches

_DECK_SIZE = 1_000  # steps; a share is kept to a thousandth


class DealtBatches:
    """The batch of each step from one of several sources.

    Args:
        sources: each a pure function of how many steps it had before.
        shares: of each the fraction of the steps; they sum to 1.
        seed: of the order.
    """

    def __init__(self, sources: Sequence[Batches], shares: Sequence[float], *, seed: int) -> None:
        self._sources = tuple(sources)
        self._deck = Deck(shares, size=_DECK_SIZE, seed=seed)

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        source, num_before = self._deck.deal(step)
        return self._sources[source](num_before)

    def last_step_of(self, source: int, step: int) -> int:
        """How many steps a source had before the last it had up to `step`; 0 if it had none."""
        for earlier in range(step, -1, -1):
            dealt, num_before = self._deck.deal(earlier)
            if dealt == source:
                return num_before
        return 0
