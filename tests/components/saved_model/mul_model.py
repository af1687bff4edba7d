"""TF Hub's example of a Reusable SavedModel written with low-level TensorFlow, as it stands there.

Source: https://www.tensorflow.org/hub/exporting_tf2_saved_model
"""

import tensorflow as tf


class MyMulModel(tf.train.Checkpoint):
    def __init__(self, v_init):
        super().__init__()
        self.v = tf.Variable(v_init)
        self.variables = [self.v]
        self.trainable_variables = [self.v]
        self.regularization_losses = [
            tf.function(input_signature=[])(lambda: 0.001 * self.v**2),
        ]

    @tf.function(input_signature=[tf.TensorSpec(shape=None, dtype=tf.float32)])
    def __call__(self, inputs):
        return tf.multiply(inputs, self.v)
