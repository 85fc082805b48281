"""Networks in ONNX, run by ONNX Runtime, against PyTorch: one for each operation that a network has."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from nsface.model import Description
from nsface.onnx.export import to_onnx
from nsface.preprocessing import Preprocessing

# pools that round up, means, maxima of pieces, zeros for channels, one channel of three, a mean image
NETWORKS: dict[str, dict[str, Any]] = {
    "lightened-cnn": {"channels": 3},
    "maxout": {"channels": 2},
    "nin": {"channels": 6, "mean_image": True},
    "resnet-32": {"channels": 2},
    "vgg-mnist": {"channels": 2},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_exported_network_embeds_the_same(name: str) -> None:
    torch.manual_seed(0)
    images = Preprocessing(height=28, width=29)
    description = Description(
        network=name,
        network_arguments=NETWORKS[name],
        embedding_size=6,
        input=images,
        head="softmax",
        head_arguments={},
        identities=2,
        recipe_digest="",
    )
    network = description.build().eval()
    if "mean_image" in NETWORKS[name]:
        network.load_state_dict({"mean.image": torch.randn(3, 28, 29)}, strict=False)
    model = to_onnx(network, description, "0" * 64)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    batch = torch.randn(3, 3, 28, 29)
    (found,) = session.run(None, {"images": batch.numpy()})
    expected = network(batch).detach().numpy()
    assert found.shape == (3, 6)
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-5 * float(np.abs(expected).max()))
