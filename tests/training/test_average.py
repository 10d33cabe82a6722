import pytest
import torch
from torch import nn

from t2t.training.average import WeightAverage, trained_weights


class OneWeight(nn.Module):
    """Stands for a SummedLoss: a model with a trained weight and a frozen one."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.model = nn.ParameterDict(
            {
                "trained": nn.Parameter(torch.tensor([value])),
                "frozen": nn.Parameter(torch.tensor([7.0]), requires_grad=False),
            }
        )


def test_only_trained_weights_are_averaged_under_their_own_names():
    assert list(trained_weights(OneWeight(1.0))) == ["trained"]


def test_the_average_of_three_updates():
    model = OneWeight(1.0)
    average = WeightAverage(model, {"trained": torch.tensor([1.0])}, decay=0.2)
    values = []
    for num_updates, weight in enumerate([2.0, 3.0, 4.0], start=1):
        with torch.no_grad():
            model.model["trained"].fill_(weight)
        average.update(num_updates)
        with average.in_use():
            values.append(model.model["trained"].item())
    # d = min(0.2, 2/11), then 0.2: 2 - (2 - 1) * 2/11 = 1.81818; 0.2 * 1.81818 + 0.8 * 3 = 2.76364;
    # 0.2 * 2.76364 + 0.8 * 4 = 3.75273
    assert values == pytest.approx([1.81818, 2.76364, 3.75273], abs=1e-5)


def test_the_weights_as_trained_come_back_exactly():
    model = OneWeight(0.1)
    average = WeightAverage(model, {"trained": torch.tensor([0.7])}, decay=0.9)
    with average.in_use():
        assert model.model["trained"].tolist() == torch.tensor([0.7]).tolist()
        assert average.set_aside()["trained"].tolist() == torch.tensor([0.1]).tolist()
    assert model.model["trained"].tolist() == torch.tensor([0.1]).tolist()


def test_an_error_does_not_leave_the_average_in_the_model():
    model = OneWeight(0.1)
    average = WeightAverage(model, {"trained": torch.tensor([0.7])}, decay=0.9)
    with pytest.raises(OSError, match="full"), average.in_use():
        raise OSError("full")
    assert model.model["trained"].tolist() == torch.tensor([0.1]).tolist()
