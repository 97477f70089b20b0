"""A random forest of scikit-learn's, fitted where it is served: the same data and seed give the same trees."""

from ci_core.serving.models import Model

COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")


class Forest(Model):
    """Takes rows of named columns."""

    input_columns = COLUMNS
    gains_from_batches = True

    def __init__(self, trees):
        self.trees = trees

    def load(self):
        from sklearn.datasets import load_iris
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        forest = RandomForestClassifier(self.trees, max_depth=6, random_state=0, n_jobs=1)
        iris = load_iris()
        self.pipeline = make_pipeline(StandardScaler(), forest).fit(iris.data, iris.target)

    def predict(self, rows):
        return self.pipeline.predict([[row[name] for name in COLUMNS] for row in rows]).tolist()
