"""Names of the directories in a trained model, and of the kinds of models."""

EVAL_MODEL_DIR = "Format-TFMA"
SERVING_MODEL_DIR = "Format-Serving"
STAMPED_MODEL_DIR = "stamped_model"

TFMA_EVAL = "tfma_eval"
TF_ESTIMATOR = "tf_estimator"
TF_KERAS = "tf_keras"
TF_GENERIC = "tf_generic"
TF_LITE = "tf_lite"
TF_JS = "tf_js"
