"""What the sweep leaves out, and what it takes for nonsense that is none; each with a reason."""

from __future__ import annotations

__all__ = ["ACCEPTED", "EXEMPT"]

ACCEPTED: dict[tuple[str, int | str, str], str] = {
    ("lr_scheduler.OneCycleLR", 2, "a number"): "the number of steps",
    **dict.fromkeys(
        (
            (f"Module.{name}", place, "an unknown word")
            for name, place in (
                ("named_buffers", 1),
                ("named_parameters", 1),
                ("named_modules", 2),
                ("add_module", 1),
                ("register_module", 1),
                ("register_buffer", 1),
                ("register_parameter", 1),
                ("state_dict", "prefix"),
            )
        ),
        "a name is any text",
    ),
    **dict.fromkeys(
        (
            (f"nn.{name}", 0, f"an axis of {axis}")
            for name in ("Softmax", "LogSoftmax", "Unflatten")
            for axis in (1000, -1000)
        ),
        "the input decides, when there is one",
    ),
    ("linalg.norm", 1, "a number"): "an ord like others",
    ("identities.identity", 0, "an unknown word"): "a formula is any text",
    ("implementations.kernel_implementation", 0, "an unknown word"): "a name is any text",
    ("parametrize.is_parametrized", 1, "an unknown word"): "what is not there is not parametrized",
    ("train.EarlyStopping", 0, "an unknown word"): "metrics have any name",
}
"""Subject, argument and corruption that look like nonsense, but are not."""

_FILES = "files: tests/test_serialization.py, tests/train/test_checkpoint.py, tests/data"
_NOTHING = "takes nothing, or what it is made of is no user's input"
_LOOP = "a loop over user's functions: tests/train"
EXEMPT: dict[str, str] = {
    **dict.fromkeys(
        ("mg.load", "mg.save", "train.load_checkpoint", "train.load_model", "train.save_model",
         "train.restore_checkpoint", "train.save_checkpoint", "data.load_digits",
         "data.read_image"),
        _FILES,
    ),
    **dict.fromkeys(
        ("mg.BatchNormOutput", "mg.ValuesAndIndices", "mg.get_num_threads", "mg.info", "mg.Op",
         "mg.is_grad_enabled", "mg.no_grad", "mg.enable_grad", "nn.IncompatibleKeys", "nn.Module",
         "nn.BatchNormLayerReport", "nn.BatchNormProblem", "nn.BatchNormReport",
         "nn.ChannelStatistics",
         "nn.RemovableHandle", "nn.StateDictError", "nn.Sigmoid", "nn.Tanh", "train.Average",
         "nn.UntrainedBatchNormWarning", "train.BatchOfOneWarning",
         "train.Callback", "train.History", "train.Run",
         "train.ThreadsChangedWarning", "data.Dataset", "data.Digits", "testing.GradcheckError",
         "testing.GradcheckReport"),
        _NOTHING,
    ),
    **dict.fromkeys(("train.fit", "train.evaluate", "train.EpochLines"), _LOOP),
    **dict.fromkeys(
        ("nn.ModuleDict.forward", "nn.ModuleList.forward"), "a container is not called"
    ),
    "lr_scheduler.LRScheduler": "abstract: its subclasses are swept",
    "mg.apply": "hands its arguments to an op: tests/test_engine.py",
    "mg.set_grad_enabled": "a flag is what Python holds for true",
    "mg.warmup": "compiles every kernel",
    "nn.Identity": "takes and ignores anything",
    "nn.Identity.forward": "returns anything",
    "optim.Optimizer": "abstract: its subclasses are swept",
    **dict.fromkeys(
        ("linalg.EighResult", "linalg.LinAlgError", "linalg.SVDResult", "linalg.SlogdetResult",
         "identities.Claim", "identities.Facts", "identities.Identity", "identities.IdentityError",
         "identities.IdentityFailure", "identities.IdentityReport", "examples.BatchNormExample",
         "implementations.BatchNormImplementation", "implementations.cpu_implementation",
         "implementations.pytorch_implementation", "implementations.reference_implementation",
         "implementations.tensor_implementation", "mutants.BatchNormMutant", "mutants.Mutant",
         "mutants.Patch", "mg.is_anomaly_enabled", "mg.is_recomputing"),
        _NOTHING,
    ),
    "parametrize.ParametrizationList": "made by register_parametrization, which is swept",
    "Tensor.cuda": "needs a GPU: an error says so",
    "Module.cuda": "needs a GPU: an error says so",
    "Module.forward": "abstract: that of each layer is swept",
    "Module.set_extra_state": "abstract: a module that has more state defines it",
    **dict.fromkeys(
        ("testing.BadInput", "testing.BatchNormExample", "testing.BatchNormImplementation",
         "testing.BatchNormUlps", "testing.CheckOpError", "testing.CheckReport",
         "testing.Comparison", "testing.IdentityError", "testing.IdentityReport",
         "testing.NonSmoothError", "testing.NonSmoothPoint", "testing.NotAnalyticError",
         "testing.OpCase", "testing.PropertyResult", "testing.ValueMismatchError"),
        _NOTHING,
    ),
    **dict.fromkeys(
        ("testing.check_case", "testing.check_op"), "checks a user's function: tests/testing"
    ),
    "testing.gradcheck": "checks a user's function: tests/testing/test_gradcheck.py",
    "testing.gradgradcheck": "checks a user's function: tests/testing/test_gradcheck.py",
}  # fmt: skip
"""Public names that are not swept, and why."""
