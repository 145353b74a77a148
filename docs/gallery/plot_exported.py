"""Does the exported network give the same outputs?
================================================

A model that was trained in Python is to run elsewhere: in a service in another language, or on a controller. Is it
still the same model there? Here a Pipeline is written as ONNX, which many runtimes read, and as C.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from onnx.reference import ReferenceEvaluator
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnn2

X, y = load_breast_cancer(return_X_y=True)
folder = tempfile.TemporaryDirectory()
differences = {}
for dtype, bound in ("float64", 1e-12), ("float32", 1e-5):
    data = X.astype(dtype)
    network = fastnn2.MLPClassifier(20, max_iter=300, tol=1e-3, random_state=0)
    model = make_pipeline(StandardScaler(), network).fit(data, y)
    file = Path(folder.name) / f"{dtype}.onnx"
    fastnn2.to_onnx(model, file, data)
    label, exported = ReferenceEvaluator(str(file)).run(None, {"X": data})
    ours = model.predict_proba(data)
    differences[dtype] = ours[:, 1], np.abs(exported - ours)[:, 1], bound
    print(f"{dtype}: {(label != model.predict(data)).sum()} of {len(y)} labels differ")

# %%
# The sum of many numbers may be rounded in another order by a runtime, so the last digits differ. How much?

# sphinx_gallery_alt_1 = "Difference of each of 569 probabilities between file and model, on a logarithmic axis, "
# sphinx_gallery_alt_2 = "against the probability. In float64 all are below 1e-15, far under the line of the bound "
# sphinx_gallery_alt_3 = "1e-12. In float32 all are below 1e-6, under the line of the bound 1e-5."
fig, ax = plt.subplots()
for (dtype, (chance, difference, bound)), marker in zip(differences.items(), "os", strict=True):
    color = {"float64": "C0", "float32": "C1"}[dtype]
    shown = np.maximum(difference, 1e-19)  # zeros, too, are shown on a logarithmic axis
    ax.plot(chance, shown, marker, color=color, alpha=0.6, label=f"{dtype}, at most {difference.max():.0e}")
    ax.axhline(bound, color=color, linestyle="--")
    ax.text(0.5, bound * 1.6, f"promised for {dtype}: {bound:.0e}", color=color, ha="center")
ax.text(0.5, 2.5e-19, "no difference", ha="center")
ax.set(yscale="log", ylim=(3e-20, 1e-2))
ax.set(xlabel="probability that the tumor is benign", ylabel="difference of the probability")
ax.set_title("ONNX: only the last digits differ")
ax.legend(loc="upper right", ncols=2)

# %%
# As C, not even the last digit differs: compiled with ``-ffp-contract=off``, the function computes the same bits. The
# file needs no library. It begins with how to use it:

declaration = fastnn2.to_c(model, Path(folder.name) / "tumor.c")
print((Path(folder.name) / "tumor.c").read_text().partition("*/")[0])
folder.cleanup()

# %%
# What to take from it:
#
# - Labels are the same, unless two probabilities tie to the last digit.
# - Compare once with your own runtime and data, as here: ``onnxruntime.InferenceSession(file).run`` takes the same
#   arguments as the evaluator above.
# - The whole Pipeline is in the file, so nobody has to scale by hand. Steps that are not supported are refused by name.
#
# :doc:`/guide/models` lists the steps, and how to compile and call the function.
