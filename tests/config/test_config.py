"""The configuration: every file composes, every mistake is one line that helps."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ganctl.config.choices import choices, conf_dir, describe, groups
from ganctl.config.load import dump, load, read
from ganctl.config.schema import SCHEMAS, Config
from ganctl.errors import BadInput


def files():
    return [(path.parent.name, path.stem) for path in sorted(conf_dir().glob("*/*.yaml"))]


@pytest.mark.parametrize(("group", "name"), files())
def test_every_file_composes_and_is_described(group, name):
    extra = ["data.root=somewhere"] if name in ("folder", "unpaired") or name.endswith("_pictures") else []
    config = load([f"{group}={name}", *extra])
    assert describe(group, name)
    if group in SCHEMAS:
        assert config.to_dict()[group]["name"] == name


def test_a_file_without_a_schema_gives_the_types_of_its_options():
    assert "mean_squared_error" not in SCHEMAS["loss"]
    assert load(["loss=mean_squared_error", "loss.half=true"]).loss == {"name": "mean_squared_error", "half": True}


def test_a_run_folder_from_before_there_were_penalties_is_read(tmp_path):
    values = yaml.safe_load(dump(load(["loss=minimax"])))
    del values["penalty"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    assert read(tmp_path / "config.yaml") == load(["loss=minimax"])


def test_a_part_that_replaces_a_recipes_own_leaves_the_recipes_options_of_it_behind():
    recipe = load(["experiment=r3gan"])
    assert recipe.penalty.weight == 0.3 and recipe.optim.beta2 == 0.9
    swapped = load(["experiment=r3gan", "penalty=gradient", "penalty.one_sided=true"])
    assert (swapped.penalty.name, swapped.penalty.weight, swapped.penalty.one_sided) == ("gradient", 10.0, True)
    assert swapped.optim == recipe.optim and swapped.model == recipe.model
    assert load(["experiment=r3gan", "penalty=r1r2"]) == recipe  # the same part named again
    assert load(["experiment=r3gan", "penalty=none"]).penalty == {"name": "none"}
    # The settings of its other parts stay settings of these.
    kept = load(["experiment=r3gan", "penalty=none", "model.width=4"])
    assert (kept.model.name, kept.model.width, kept.optim.beta2) == ("dcgan_small", 4, 0.9)
    assert load(["experiment=ebgan", "plugins=[mine]", "loss=mine"]).loss == {"name": "mine"}


def test_the_last_choice_of_a_group_wins_a_plugins_too():
    assert load(["plugins=[mine]", "loss=mine", "loss=hinge"]).loss == {"name": "hinge"}
    assert load(["plugins=[mine]", "loss=hinge", "loss=mine", "loss.margin=2"]).loss == {"name": "mine", "margin": 2}


def test_every_schema_belongs_to_a_file():
    for group, schemas in SCHEMAS.items():
        assert set(schemas) <= set(choices(group))


def test_the_groups_are_those_of_the_files():
    assert {*groups()} == {*SCHEMAS, "experiment"}
    assert {"minimax", "minimax_swapped", "nonsaturating"} < set(choices("loss"))


def test_a_configuration_survives_its_file(tmp_path):
    config = load(["loss=minimax", "steps=7", "seed=3", "model=mlp", "model.generator_widths=[8,9]"])
    (tmp_path / "config.yaml").write_text(dump(config))
    assert read(tmp_path / "config.yaml") == config
    assert yaml.safe_load(dump(config))["model"]["generator_widths"] == [8, 9]


def test_seed_ablation_keeps_the_published_settings():
    config = load(["experiment=seed_ablation"])
    assert (config.data.name, config.epochs, config.batch_size) == ("mnist", 70, 100)
    assert (config.optim.lr, config.optim.beta1, config.optim.beta2) == (0.0002, 0.9, 0.999)
    assert config.model.dropout == 0.3 and config.ema_decay is None
    assert config.compare.published["nonsaturating"] == {"loss/discriminator": 1.247, "loss/generator": 0.815}


def test_naming_steps_replaces_the_default_epochs():
    assert (load([]).epochs is not None, load([]).steps) == (True, None)
    assert (load(["steps=5"]).epochs, load(["steps=5"]).steps) == (None, 5)
    assert load(["experiment=seed_ablation", "steps=5"]).epochs is None


def test_naming_epochs_replaces_the_steps_of_a_recipe():
    assert (load(["experiment=dcgan"]).epochs, load(["experiment=dcgan"]).steps) == (None, 1500)
    assert (load(["experiment=dcgan", "epochs=3"]).epochs, load(["experiment=dcgan", "epochs=3"]).steps) == (3, None)


def test_a_budget_of_null_is_none():
    assert (load(["epochs=3", "steps=null"]).epochs, load(["epochs=null", "steps=10"]).steps) == (3, 10)
    config = load(["experiment=dcgan", "steps=null", "epochs=3"])
    assert (config.epochs, config.steps) == (3, None)


@pytest.mark.parametrize(
    ("words", "group", "options"),
    [
        (["data=ring8", "optim=foo", "optim.lr=0.1"], "optim", {"name": "foo", "lr": 0.1}),
        (["experiment=r3gan", "penalty=foo", "penalty.weight=2"], "penalty", {"name": "foo", "weight": 2}),
    ],
)
def test_a_part_of_a_plugin_has_the_options_that_it_is_given_whatever_a_file_says_of_another(words, group, options):
    assert getattr(load(["plugins=[none_such]", *words]), group) == options


def test_another_optimizer_keeps_its_own_rate_where_the_data_have_one():
    assert load(["data=ring8"]).optim.lr == load(["data=ring8", "optim=adam"]).optim.lr == 0.001
    assert load(["data=ring8", "optim=rmsprop"]).optim.lr == 0.00005
    assert load(["data=ring8", "optim=rmsprop", "optim.lr=0.01"]).optim.lr == 0.01
    assert load(["experiment=wgan", "data=ring8", "optim=adam"]).optim.lr == 0.001
    assert load(["experiment=wgan", "data=ring8"]).optim.name == "rmsprop"


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["+="], "+=: has no key; write key=value"),
        (["compare=true"], "compare=True: is no setting itself; set one in it, as in compare.seeds=[0,1]"),
        ([f"model.dropout={'9' * 400}"], "model.dropout=9999"),
        (
            ["loss=typo"],
            "loss=typo: no such loss; choose from began, ebgan, .* minimax, minimax_swapped",
        ),
        (["loss=minmax"], "did you mean minimax?"),
        (["los=hinge"], "los=hinge: no such key; keys are .* (did you mean loss?)"),
        (["model=mlp", "model.dropuot=0.1"], "model.dropuot=0.1: no such key; model has .* (did you mean dropout?)"),
        (["a.b.c=1"], "a.b.c=1: there is no a.b"),
        (["epochs=-1"], "epochs=-1: must be at least 1"),
        (["epochs=many"], "epochs=many: must be a whole number or null"),
        (["optim.lr=[1]"], "optim.lr=[1]: must be a number"),
        (["optim.lr=???"], "optim.lr=???: says that a value is missing; write the value"),
        (["steps=${a.b}"], "steps=${a.b}: refers to another setting, or to the environment; write the value itself"),
        (["name=${hydra:job.name}"], "write the value itself"),
        (["hydra/launcher=basic"], "hydra/launcher=basic: hydra's own settings are not part of a run"),
        (["loss@foo=minimax"], "loss@foo=minimax: has a @, which means nothing here; write loss=VALUE"),
        (["++optim=rmsprop"], "++optim=rmsprop: has a +, which means nothing here; write optim=VALUE"),
        (["optim.eps=null"], "optim.eps=null: must be a number"),
        (["optim.eps=nan"], "optim.eps=nan: must be a number"),
        (["+loss=minimax"], "+loss=minimax: has a +, which means nothing here; write loss=VALUE"),
        (["lr=1"], "lr=1: no such key; keys are .* (did you mean optim.lr?)"),
        (["optim.name=rmsprop"], "optim.name=rmsprop: write optim= and one of adam, rmsprop, which brings"),
        (["steps=1000000000000"], "steps=1000000000000: must be less than 1000000000000"),
        (["name=[1]"], "name=[1]: is the name of one folder; use up to 100 letters, digits, spaces and"),
        (["tune=3"], "tune=3: must be a list of words, as in [one,two]"),
        (["metrics=[[a]]"], "metrics=[['a']]: must be a list of words"),
        (["compare.seeds=3"], "compare.seeds=3: must be a list of numbers, as in [1,2]"),
        (["compare.seeds={a:1}"], "compare.seeds={a:1}: cannot be given on the command line; by default it is"),
        (["compare.published={a:{b:1}}"], "cannot be given on the command line; by default it is {}"),
        (["metrics=[fid]", "los=hinge"], "los=hinge: no such key"),
        (["compare.published=[]"], "cannot be given on the command line; by default it is {}"),
        (["compare.published=3"], "compare.published=3: must be a mapping, as in {key: value}"),
        (["epochs=1", "steps=1"], "epochs and steps are both named"),
        (["epochs=null"], "epochs and steps are both null"),
        (["batch_size=0"], "batch_size=0: must be at least 1"),
        (["optim.lr=nan"], "optim.lr=nan: must be a number"),
        (["optim.lr=inf"], "optim.lr=inf: must be finite"),
        (["experiment=null"], "experiment=null: no such experiment"),
        (["loss=least_squares", "loss.fake_code=nan"], "loss.fake_code=nan: must be a number"),
        (["loss=mean_squared_error", "loss.half=maybe"], "loss.half=maybe: must be true or false"),
        (["loss=wgan"], "loss=wgan: no such loss; choose from .* (did you mean experiment=wgan?)"),
        (["loss=hinge", "loss.margin=2"], "loss.margin=2: loss=hinge has no margin; it belongs to loss=ebgan"),
        (["loss.label_smoothing=1"], "loss.label_smoothing=1.0: must be less than 1"),
        (["penalty=r1", "penalty.every=0"], "penalty.every=0: must be at least 1"),
        (
            ["penalty.weight=3"],
            "penalty.weight=3: penalty=none has no weight; it belongs to penalty=cons",
        ),
        (["game=acgan", "game.class_weight=0"], "game.class_weight=0.0: must be greater than 0"),
        (["game=infogan", "game.categories=-1"], "game.categories=-1: must be at least 0"),
        (["game=infogan", "game.continuous_weight=-1"], "game.continuous_weight=-1.0: must be at least 0"),
        (["game=aae", "game.prior=flower"], "game.prior=flower: choose from gaussian, mixture, swiss_roll"),
        (
            ["game=aae", "game.labelled=100"],
            "game.labelled=100: game=aae has no labelled; it belongs to",
        ),
        (["game=aae_semisupervised", "game.labelled=0"], "game.labelled=0: must be at least 1"),
        (
            ["game=cgan", "game.pulling_away_weight=1"],
            "game=cgan has no pulling_away_weight; it belongs to game=gan",
        ),
        (["optim.schedule=step"], "optim.schedule=step: choose from constant, linear, late_linear, cosine"),
        (["optim.beta1=1"], "optim.beta1=1.0: must be less than 1"),
        (["model=mlp", "model.generator_widths=[8,0]"], "model.generator_widths=0: must be at least 1"),
        (["model=mlp", "model.activation=gelu"], "model.activation=gelu: choose from leaky_relu, relu, tanh, elu"),
        (["precision=fp8"], "precision=fp8: choose from fp32, tf32, bf16"),
        (["device=gpu"], "device=gpu: choose from auto, cpu"),
        (["data=folder"], "data.root: is missing"),
        (
            ["data=folder", "data.root=x", "data.channels=2"],
            "data.channels=2: choose 1 (grey), 3 (RGB) or 4 (RGB and alpha)",
        ),
        (["name=../elsewhere"], "name=../elsewhere: is the name of one folder"),
        (["seed=0,1"], "seed=0,1: a run takes one value of seed; `ganctl compare-losses` takes several"),
        (["seed"], "seed: cannot be read; write key=value"),
        (["~model"], "~model: a key cannot be deleted"),
        (["seed = 3"], "seed = 3: cannot be read; write key=value without spaces"),
        (
            ["model.activation=a&b"],
            "model.activation=a&b: cannot be read at &; .* quote it: \"model.activation='a&b'",
        ),
        (["model.activation=é"], "model.activation=é: cannot be read at é; .* quote it: \"model.activation='é'\""),
        (["device=~x"], "device=~x: cannot be read at ~; .* quote it: \"device='~x'\""),
        (["compare.arms=[a=b,c]"], "cannot be read at =; quote the word that it belongs to, as in 'compare.arms=["),
        (["metrics=[fid"], "metrics=[fid: cannot be read; a bracket or a quote in it has no partner"),
        (["device=it's"], "device=it's: cannot be read; a bracket or a quote in it has no partner"),
        (["data=folder", "data.root=???"], "says that a value is missing; write the value"),
        (["data=folder", "data.root=${x}"], "refers to another setting"),
        (["hydra.run.dir=x"], "hydra's own settings"),
        (["loss.name=typo"], "loss.name=typo: write loss= and one of"),
        (
            ["penalty.name=logit_drift"],
            "penalty.name=logit_drift: write penalty= and one of .* brings its options along",
        ),
        (["plugins=[mine]", "experiment=wgan-gp"], "experiment=wgan-gp: no such experiment"),
        (["data=null"], "data=null: no such data"),
        (["+depth=3"], "depth: no such key"),
    ],
)
def test_a_mistake_is_one_line_that_helps(overrides, line):
    with pytest.raises(BadInput) as error:
        load(overrides)
    message = str(error.value)
    assert "\n" not in message
    position = 0
    for part in line.split(" .* "):
        assert part in message[position:]
        position = message.index(part, position)


ODD = [
    "~/pics", "my pics", "Bücher/é", "a=b", "x [1] (2) {3}", "it's", 'say "x"', "a, b", "$HOME", "C:\\x\\", "a\\'b",
    "-x", "~", "a;b&c|d#e!", "007", "1e3", "true", "'", '"', "''x", "日本", "x ", "a\nb", "what???", "@x", "%s", "<b>",
]  # fmt: skip


@pytest.mark.parametrize("value", ODD)
def test_a_path_and_a_free_word_are_taken_as_they_are(value):
    config = load(["data=folder", f"data.root={value}", f"output_dir={value}", f"compare.source={value}"])
    assert config.data.root == config.output_dir == config.compare.source == value


def taken_as_it_is(value):
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return not quoted and "${" not in value


PATHS = st.text(alphabet="ab'\"\\ =,[](){}$~é", min_size=1, max_size=8).filter(taken_as_it_is)


@settings(deadline=None, max_examples=20)
@given(PATHS, PATHS, PATHS)
def test_any_path_that_is_not_quoted_is_taken_as_it_is(root, output, source):
    config = load(["data=folder", f"data.root={root}", f"output_dir={output}", f"compare.source={source}"])
    assert (config.data.root, config.output_dir, config.compare.source) == (root, output, source)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_path_in_quotes_means_what_it_meant(quote):
    assert load(["data=folder", f"data.root={quote}my pics{quote}"]).data.root == "my pics"
    assert load([f"name={quote}null{quote}"]).name == "null"


def test_null_is_no_path_and_no_name():
    assert load(["data=mnist", "data.root=null"]).data.root is None
    assert load(["name=null"]).name is load(["compare.source=NULL"]).compare.source is None


@pytest.mark.parametrize("name", ["Lauf 3", "a, b", "x=1", "é", "007"])
def test_a_name_is_taken_as_it_is(name):
    assert load([f"name={name}"]).name == name


@pytest.mark.parametrize(
    "name", ["a/b", "../x", "..", ".", "/x", "~", "~/x", "a\\b", "-x", " x", "", "x" * 101, "a\nb", "\0"]
)
def test_a_name_is_one_folder_and_no_way_out(name):
    with pytest.raises(BadInput, match="name="):
        load([f"name={name}"])


@pytest.mark.parametrize("value", ["\0", "a\udcffb"])
def test_a_path_that_no_file_can_hold_is_refused_in_one_line(value):
    for key in ("data.root", "output_dir", "name"):
        with pytest.raises(BadInput, match=f"{key}=.*: has bytes that are no text in UTF-8"):
            load(["data=folder", f"{key}={value}"])


def test_an_empty_output_folder_is_refused():
    with pytest.raises(BadInput, match="output_dir=: is empty; give output_dir=DIR"):
        load(["output_dir="])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet="abelmnopstx=.,[]{}0123456789+~-/'\" ", max_size=12), max_size=3))
def test_no_override_escapes_as_another_error(overrides):
    try:
        assert isinstance(load(overrides), Config)
    except BadInput as error:
        assert "\n" not in str(error)
