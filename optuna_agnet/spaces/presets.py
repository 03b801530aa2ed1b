"""Search spaces of published benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

from optuna_agnet.spaces.chain import Chain
from optuna_agnet.spaces.darts import DartsCell
from optuna_agnet.spaces.decision import ordered
from optuna_agnet.spaces.edge_cell import EdgeCell
from optuna_agnet.spaces.network import Network
from optuna_agnet.spaces.node_cell import NodeCell
from optuna_agnet.spaces.recurrent import RecurrentCell
from optuna_agnet.spaces.repeat import Repeat
from optuna_agnet.spaces.stack import Stack


def nas_bench_201() -> EdgeCell:
    """The topology space of NAS-Bench-201 (Dong and Yang 2020): 15,625 cells, 5 operations on 6 edges.

    Example:
        >>> nas_bench_201().num_combinations
        15625
    """
    ops = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    return EdgeCell(nodes=4, ops=ops, name="nas_bench_201")


def nas_bench_101() -> NodeCell:
    """The space of NAS-Bench-101 (Ying et al. 2019): 423,624 different cells of at most 7 nodes and 9 edges.

    Example:
        >>> len(nas_bench_101().decisions)
        26
    """
    ops = ("conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3")
    return NodeCell(max_nodes=7, max_edges=9, ops=ops, name="nas_bench_101")


def darts() -> Stack:
    """The space of DARTS (Liu et al. 2019) and NAS-Bench-301 (Siems et al. 2020): a normal and a reduction cell.

    Example:
        >>> darts().num_combinations == (180 * 7**8) ** 2
        True
    """
    return Stack(normal=DartsCell(), reduce=DartsCell(), name="darts")


def fbnet() -> Chain:
    """The space of FBNet (Wu et al. 2019) as in HW-NAS-Bench: 22 layers, 9 blocks each.

    Blocks are named after kernel size, expansion and groups.

    Example:
        >>> fbnet().num_combinations == 9**22
        True
    """
    blocks = (
        *("k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6"),
        "skip",
    )
    return Chain([blocks] * 22, name="fbnet")


def nas_bench_nlp(max_nodes: int = 24) -> RecurrentCell:
    """The recurrent cells of NAS-Bench-NLP (Klyuchnikov et al. 2020).

    Args:
        max_nodes: 24 for all cells, 12 for those that the paper searches.

    Example:
        >>> nas_bench_nlp(12)
        RecurrentCell(max_nodes=12)
    """
    return RecurrentCell(max_nodes, name="nas_bench_nlp")


def mobile_net() -> Network:
    """The space of once-for-all (Cai et al. 2020): five stages of 2 to 4 blocks, each with a kernel and an expansion.

    Example:
        >>> mobile_net().num_architectures == (9**2 + 9**3 + 9**4) ** 5  # more than 10^19
        True
    """
    block = Network(kernel=ordered(3, 5, 7), expansion=ordered(3, 4, 6))
    space = Network(**{f"stage_{i}": Repeat(block, 2, 4) for i in range(1, 6)})
    space.name = "mobile_net"
    return space


def vision_transformer(
    widths: Sequence[int] = (192, 216, 240),
    heads: Sequence[int] = (3, 4),
    ratios: Sequence[float] = (3.5, 4.0),
    least: int = 12,
    most: int = 14,
) -> Network:
    """Vision transformers as in AutoFormer (Chen et al. 2021): a width, and heads and an MLP's ratio a block.

    The defaults are AutoFormer's tiny space. Its base space has widths 528, 576 and 624, 8 to 10 heads, ratios 3.0, 3.5
    and 4.0, and 14 to 16 blocks.

    Args:
        widths: Channels of a token.
        heads: Heads of a block.
        ratios: Inner units of the MLP a channel.
        least: The smallest number of blocks.
        most: The largest.

    Example:
        >>> vision_transformer().num_architectures == 3 * (4**12 + 4**13 + 4**14)
        True
    """
    block = Network(heads=ordered(*heads), ratio=ordered(*ratios))
    space = Network(width=ordered(*widths), blocks=Repeat(block, least, most))
    space.name = "vision_transformer"
    return space
