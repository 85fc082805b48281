"""Ranks: the processes, started by torchrun, that do one piece of work together, each on a device of its own.

In training each rank computes the features of its slice of every batch. The features of all slices are then
gathered, so that every rank has the loss of the whole batch, and the gradients of the network are summed over
the ranks. In extraction each rank embeds whole batches in turn; in identification each searches a part of
the gallery. Tensors on CUDA devices are exchanged by NCCL, those in host memory by Gloo.
"""

from nsface.ranks.group import ALONE as ALONE
from nsface.ranks.group import Ranks as Ranks
from nsface.ranks.joining import joined as joined
