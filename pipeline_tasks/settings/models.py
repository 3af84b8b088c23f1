"""Settings of the models: how they are trained and launched, who of them serves, what lists they make."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline_tasks.settings.source import Section

MODELS = ("transformer", "gru4rec", "caser", "youtube_dnn", "ncf", "mf", "als", "ease", "item_knn", "popular")
_EITHER = "(" + "|".join(MODELS) + ")"
# one of them, or several with commas between
MODEL_PATTERN = f"^{_EITHER}(,{_EITHER})*$"
# benchmarks/reader.py has what a lookup takes from files of this size, and from larger ones
PLACES_A_FILE = 1_500_000


class DockerSettings(Section):
    image: str = "nightjar-trainer:latest"
    """Made from docker/trainer.Dockerfile."""
    url: str = ""
    """The engine; by default what DOCKER_HOST names, else unix:///var/run/docker.sock."""
    network_mode: str = "host"
    """Docker network; "host" lets the container reach an S3 endpoint on this machine."""
    gpus: int = Field(0, ge=-1)
    """GPUs to ask for; -1 is all."""


class KubernetesSettings(Section):
    image: str = "nightjar-trainer:latest"
    """Made from docker/trainer.Dockerfile, in a registry that the cluster reaches."""
    namespace: str = "default"
    """Namespace of the pod."""
    service_account: str | None = None
    """Gives the pod its cloud credentials."""
    environment_from: str | None = None
    """Kubernetes Secret whose keys become the pod's environment (credentials)."""
    cpu: str = "2"
    """CPU request."""
    memory: str = "8Gi"
    """Memory request and limit."""
    gpus: int = Field(0, ge=0)
    """nvidia.com/gpu limit."""


class TrainSettings(Section):
    model: str = Field("transformer", pattern=MODEL_PATTERN)
    """What is trained as tonight's challenger; of several (a list, or names with commas) validation picks one."""
    launcher: Literal["process", "docker", "kubernetes"] = "process"
    """Where train, evaluate and recommend run."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes a GPU where there is one."""
    processes: int = Field(1, ge=1)
    """Processes that train a sequence model together, a GPU each; they divide a step's events."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of a sequence model's dense layers in training; auto takes bfloat16 on a GPU that has it."""
    torch_compile: bool = False
    """Compile a sequence model's network on a GPU, which takes a minute and more before the first epoch and hardly paid
    where it was measured."""
    warm_start: bool = True
    """Start from the champion before the run date when it is of the same shape."""
    threads: int = Field(0, ge=0)
    """CPU threads of torch; 0 leaves it alone. Same bytes need the same number; training on a GPU takes four at most."""
    dim: int = Field(64, ge=4)
    """Width of the vectors of sequence models, ncf and mf, which have defaults of their own for what is not set."""
    blocks: int = Field(1, ge=1)
    """Transformer blocks, or layers of gru4rec."""
    heads: int = Field(1, ge=1)
    """Attention heads."""
    max_length: int = Field(50, ge=2)
    """Newest events of a user that a sequence model sees."""
    dropout: float = Field(0.3, ge=0, lt=1)
    """In blocks and embeddings."""
    id_dropout: float = Field(0.1, ge=0, lt=1)
    """Share of id embeddings dropped in training, so that content alone can speak."""
    temperature: float = Field(0.1, gt=0)
    """Of sequence models: a score is the product of user and item, both of length 1 at most, over this."""
    full_length: float = Field(1.0, gt=0)
    """Of sequence models: an item's vector, its id embedding and content, has the length 1 from this length of theirs
    on and a shorter one below it, so that scores start small and grow; near 0 the score is the cosine."""
    mixed_days: bool = True
    """Sequence models learn each day's events in an order of chance, since lists are for later days."""
    learning_rate: float = Field(2e-3, gt=0)
    """Of AdamW."""
    weight_decay: float = Field(0.01, ge=0)
    """Of AdamW."""
    batch_events: int = Field(2048, ge=1)
    """Events a step."""
    epochs: int = Field(60, ge=1)
    """At most; see `patience`."""
    patience: int = Field(12, ge=1)
    """Epochs without a better validation before training stops; sequence models wait for as many as the best took."""
    full_softmax_items: int = Field(4_096, ge=1)
    """Up to this catalogue the loss is over all items; beyond, over shared negatives."""
    negatives: int = Field(4_096, ge=1)
    """Negatives shared by a batch."""
    ease_l2: float = Field(250.0, gt=0)
    """L2 of ease; more where there are more events an item."""
    ease_max_items: int = Field(20_000, ge=1)
    """Items with events that ease takes on, at 16 bytes for each pair of them."""
    als_dim: int = Field(128, ge=1)
    """Width of als' vectors."""
    als_alpha: float = Field(20.0, gt=0)
    """How much more an event of weight 1 counts in als than none."""
    als_regularization: float = Field(0.1, gt=0)
    """L2 of als. Spark ML's grows with the events of a user or item: there, this is what it is on average."""
    als_solver: Literal["auto", "local", "spark"] = "auto"
    """What fits als: implicit ("local") or Spark ML; auto takes Spark where spark.master is a cluster.
    Spark wants launcher = "process", since the trainer's image has none."""
    docker: DockerSettings = DockerSettings()
    """For launcher = "docker"."""
    kubernetes: KubernetesSettings = KubernetesSettings()
    """For launcher = "kubernetes"."""

    @property
    def models(self) -> tuple[str, ...]:
        """The names in `model`."""
        return tuple(dict.fromkeys(self.model.split(",")))

    @field_validator("model", mode="before")
    @classmethod
    def _join(cls, named: Any) -> Any:
        if isinstance(named, list):
            named = ",".join(map(str, named))
        return named.replace(" ", "") if isinstance(named, str) else named

    @model_validator(mode="after")
    def _heads_divide_dim(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"dim: {self.dim} is not a multiple of heads ({self.heads})")
        return self


class RankingSettings(Section):
    enabled: bool = True
    """Whether a ranker is trained on top of the challenger; it serves where validation finds it better."""
    candidates: int = Field(200, ge=1)
    """Items of each user that the model retrieves for the ranker to order."""
    days: int = Field(14, ge=2)
    """Newest days before its validation that the ranker learns from (as many as that takes, if these are more), as far
    as there are feature snapshots."""
    hidden: int = Field(64, ge=2)
    """Width of the ranker's first layer."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """In the ranker."""
    learning_rate: float = Field(2e-3, gt=0)
    """Of AdamW."""
    epochs: int = Field(20, ge=1)
    """At most; training stops when `patience` epochs bring nothing."""
    patience: int = Field(4, ge=1)
    """Epochs without a better validation before training stops."""


class EvaluateSettings(Section):
    k: int = Field(10, ge=1)
    """Metrics are at k."""
    tolerance: float = Field(0.0, ge=0)
    """NDCG by which a challenger may be below what it would replace."""
    rule: Literal["estimate", "unless_worse", "if_not_worse"] = "estimate"
    """When a challenger replaces the champion, or the best baseline. estimate: its NDCG is not below the other's, which is the
    better guess of the two however wide their difference's interval is. unless_worse: not the whole interval is below; then
    losses too small to see can add up over nights. if_not_worse: nothing of the interval is below, so that few challengers
    serve without a tolerance."""
    confidence: float = Field(0.95, gt=0, lt=1)
    """Of the intervals of metrics and of differences, by bootstrap over users."""
    resamples: int = Field(2_000, ge=100)
    """Of the bootstrap."""
    max_users: int = Field(20_000, ge=1)
    """Holdout users measured, chosen by a fixed hash."""


class RecommendSettings(Section):
    n: int = Field(20, ge=1)
    """Places in a user's list."""
    spares: int = Field(20, ge=0)
    """Further places kept for refilling at the check."""
    exclude_seen: bool = True
    """Never recommend what the user already had an event with."""
    similar: int = Field(20, ge=0)
    """Neighbours an item."""
    popular: int = Field(100, ge=1)
    """Places in a popular list."""
    popular_days: int = Field(7, ge=1)
    """Popular lists count the last days (more, when these are empty)."""
    files: int = Field(4, ge=1)
    """Files (buckets) of top_n; doubled until 1,500,000 places, some 25 MB, are enough for each, so that lookups stay
    fast also where a store reads whole objects."""
    block_users: int = Field(1024, ge=1)
    """Users scored at a time, at most; a GPU ranks 8192 faster."""

    def files_for(self, users: int) -> int:
        """Return how many files hold the lists of so many users."""
        files = self.files
        while users * self.n > files * PLACES_A_FILE:
            files *= 2
        return files
