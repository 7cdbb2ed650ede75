import io
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from core.errors import SpecError
from core.evaluation.leak_audit.run import leak_audit
from core.jobs.database import transaction
from core.jobs.ledger import outcomes, reports
from core.jobs.states import Reason
from core.specs.jobs import LeakAuditSpec
from signforge.cli import app
from signforge.client.models import Evaluation, Progress
from signforge.commands.printing.terminal import EXIT_INTERRUPTED
from signforge.commands.printing.watching import LineView, numbers, watch_job, what_it_waits_for
from signforge.commands.scores import print_evaluation
from signforge.commands.submit import further_corpus, overrides
from signforge.embedded.children import wait_until
from tests.core.corpus_maker import random_corpus
from tests.signforge.conftest import RunningApi

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.setenv("SIGNFORGE_URL", api.url)
    monkeypatch.setenv("SIGNFORGE_API_KEY", api.api_key)
    return lambda *words, text=None: CliRunner().invoke(app, words, input=text)


def test_overrides_nest_and_keep_their_types() -> None:
    changes = ["run.seed=1", "run.device=cpu", "optimiser.milestones=[3, 5]", "optimiser.learning_rate=1e-2"]
    assert overrides(changes) == {
        "run": {"seed": 1, "device": "cpu"},
        "optimiser": {"milestones": [3, 5], "learning_rate": 0.01},
    }


def test_a_further_corpus_may_have_a_weight() -> None:
    assert further_corpus("words") == {"corpus": "words"}
    assert further_corpus("words=0.5") == {"corpus": "words", "weight": 0.5}
    assert further_corpus("a=b=2") == {"corpus": "a=b", "weight": 2}
    for written in ("=2", "words=", "words=much"):
        with pytest.raises(SpecError, match=r"--also .* is not CORPUS or CORPUS=WEIGHT"):
            further_corpus(written)


@pytest.mark.parametrize(
    "changes", [["run.seed"], ["=1"], ["run..seed=1"], ["run=1", "run.seed=2"], ["run.seed=2", "run=1"]]
)
def test_overrides_that_make_no_sense_are_refused(changes: list[str]) -> None:
    with pytest.raises(SpecError, match="--set"):
        overrides(changes)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("up --port here", "'--port': Input should be a whole number (got 'here')."),
        ("jobs --limit 0", "'--limit': Input should be greater than or equal to 1 (got '0')."),
        (
            "corpora import",
            "There is no command 'import'. There are: leak-audit, check, add, list, show, delete.",
        ),
        ("pretrain --corpus signs", "There is no command 'pretrain'. Did you mean 'submit pretrain'?"),
        ("add poses", "There is no command 'add'. Did you mean 'corpora add' or 'webhooks add'?"),
        ("file", "There is no command 'file'. There are"),
        ("corpra add", "There is no command 'corpra'. Did you mean 'corpora'?"),
    ],
)
def test_a_wrong_word_is_quoted_with_what_would_be_right(words: str, said: str) -> None:
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 2
    assert said in done.output


def test_a_dry_run_tells_the_cost_and_queues_nothing(invoke: Invoke, api: RunningApi, corpus: str) -> None:
    words = ("submit", "pretrain", "--corpus", "signs", "--recipe", "smoke", "--dry-run")
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    assert "step memory bytes" in result.stdout
    assert json.loads(invoke(*words, "--json").stdout)["estimate"]["num_parameters"] > 0
    with api.client() as client:
        assert client.jobs.list(kind="pretrain") == []


def test_a_checkpoint_is_sent_and_an_encoder_asked_for(
    invoke: Invoke, api: RunningApi, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "epoch_150.pth.tar"
    checkpoint.write_bytes(b"weights")
    words = ("encoders", "import", str(checkpoint), "--name", "theirs", "--no-watch")
    sent = invoke(*words)
    assert sent.exit_code == 0, sent.output
    assert "Submitted job_" in sent.stdout
    with api.client() as client:
        (job,) = client.jobs.list(kind="import_encoder")
    assert (job.name, job.spec["source"][:4]) == ("theirs", "upl_")
    assert json.loads(invoke(*words, "--json").stdout)["kind"] == "import_encoder"
    refused = invoke(*words, "--on-server")
    assert refused.exit_code == 1
    assert "SIGNFORGE_CORPUS_ROOTS is empty" in refused.stderr


def test_terms_pause_resume_and_retry(invoke: Invoke, api: RunningApi, corpus: str) -> None:
    invoke("submit", "pretrain", "--corpus", "signs", "--priority", "-5", "--deadline", "60")
    with api.client() as client:
        (job,) = client.jobs.list(kind="pretrain")
        assert job.priority == -5
        assert job.deadline_at is not None
        early = invoke("retry", job.id)
        assert early.exit_code == 1
        assert "queued" in early.output
        assert "cannot be paused" in invoke("pause", job.id).output
        assert invoke("resume", job.id).exit_code == 0, "it is queued already"
        invoke("cancel", job.id)
        assert invoke("retry", job.id).exit_code == 0
        (newest, _) = client.jobs.list(kind="pretrain")
        assert newest.retry_of == job.id
        assert "waits for" in invoke("show", newest.id).stdout


def test_submit_pretrain_says_what_it_is_told(invoke: Invoke, api: RunningApi, corpus: str) -> None:
    result = invoke(
        *("submit", "pretrain", "--corpus", "signs", "--recipe", "smoke", "--name", "mine"),
        *("--set", "run.seed=1", "--set", "run.num_epochs=5", "--exclude-signer", "bob"),
    )
    assert result.exit_code == 0, result.output
    with api.client() as client:
        (job,) = client.jobs.list(kind="pretrain")
    assert job.id in result.stdout
    assert job.name == "mine"
    assert job.spec["corpus"] == corpus
    assert job.spec["overrides"] == {"run": {"seed": 1, "num_epochs": 5}}
    assert job.spec["clips"] == {
        "splits": ["train"],
        "signers": [],
        "exclude_signers": ["bob"],
        "exclude_labels": [],
    }


def test_submit_evaluate_says_what_it_is_told(invoke: Invoke, corpus: str) -> None:
    result = invoke(
        *("submit", "evaluate", "--corpus", "signs", "--features", "keypoints", "--protocol", "linear"),
        *("--folds", "each_signer", "--exclude-label", "thanks", "--json"),
    )
    assert result.exit_code == 0, result.output
    spec = json.loads(result.stdout)["spec"]
    assert (spec["features"], spec["protocol"], spec["folds"]) == ("keypoints", "linear", "each_signer")
    assert spec["clips"]["exclude_labels"] == ["thanks"]


def test_evaluate_is_a_command_of_its_own_with_all_that_protocols_take(invoke: Invoke, corpus: str) -> None:
    result = invoke(
        *("evaluate", "--corpus", "signs", "--test-corpus", "signs", "--test-split", "test"),
        *("--features", "keypoints", "--protocol", "linear", "--label-fraction", "0.1", "--num-seeds", "3"),
        *("--seed", "4", "--train-on-val", "--allow-identical-clips", "--set", "num_epochs=5", "--json"),
    )
    assert result.exit_code == 0, result.output
    spec = json.loads(result.stdout)["spec"]
    assert (spec["test_corpus"], spec["test_clips"]["splits"]) == (corpus, ["test"])
    assert (spec["label_fraction"], spec["num_seeds"], spec["seed"]) == (0.1, 3, 4)
    assert (spec["train_on_val"], spec["allow_identical_clips"]) == (True, True)
    assert (spec["fine_tune"]["num_epochs"], spec["fine_tune"]["batch_size"]) == (5, 64)


SCORES = {
    "top1": 0.5,
    "intervals": {"top1": [0.375, 0.625]},
    "intervals_over": "signers",
    "deviations": {"top1": 0.125},
    "num_test": 4,
    "num_classes": 2,
    "folds": [{"name": "ada", "top1": 0.25, "num_test": 2}, {"name": "ben", "top1": 0.75, "num_test": 2}],
    "per_class": [
        {"gloss": "book", "num_test": 4, "top1": 0.5},
        {"gloss": "tea", "num_test": 0, "top1": None},
    ],
    "per_signer": [
        {"signer": "ada", "num_test": 2, "top1": 0.25, "intervals": {"top1": [0.0, 0.5]}},
        {"signer": None, "num_test": 2, "top1": 0.75, "intervals": {"top1": [0.5, 1.0]}},
    ],
    "per_clip": [
        {"fold": "ada", "clip": "take-7", "signer": "ada", "gloss": "book", "ranks": [3, None]},
    ],
    "confusions": [["book", "book", 2], ["book", "tea", 2]],
}


def test_scores_are_shown_with_intervals_folds_glosses_and_confusions(
    invoke: Invoke, api: RunningApi, corpus: str
) -> None:
    with api.client() as client:
        job = client.jobs.submit({"kind": "evaluate", "corpus": corpus, "features": "keypoints"})
        assert "has no evaluation" in invoke("scores", job.id).stderr
        with transaction(api.engine) as session:
            outcomes.succeed_evaluate(session, api.claim().lease, result={"scores": SCORES})
        (evaluation,) = client.evaluations.list(corpus=corpus)
        assert client.evaluations.get(evaluation.id).scores == SCORES
    brief = invoke("scores", evaluation.id).stdout
    assert "interval over signers" in " ".join(brief.split())
    assert "0.375 to 0.625" in brief
    assert "0.250 to 0.750" in brief, "the lowest and the highest fold"
    assert "0.125" in brief
    assert "ada" in brief
    assert "book" not in brief
    whole = invoke("scores", job.id, "--per-class", "--confusions").stdout
    assert "tea" in whole
    assert "interval of top1" not in whole
    assert "take-7" not in whole
    tables = [
        line.split() for line in invoke("scores", job.id, "--per-signer", "--per-clip").stdout.splitlines()
    ]
    assert ["signer", "test", "clips", "top1", "95", "%", "interval", "of", "top1"] in tables
    assert ["ada", "2", "0.25", "0.000", "to", "0.500"] in tables
    assert ["ada", "take-7", "ada", "book", "3,", "none"] in tables
    assert json.loads(invoke("scores", evaluation.id, "--json").stdout)["scores"] == SCORES


def test_an_import_asks_for_parts_of_a_benchmark(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "msasl").mkdir()
    (tmp_path / "msasl" / "trainlist01.txt").write_text("a 0")
    words = ["--classes", "100", "--exclude", "a", "--exclude", "b", "--drop-last-frame", "--unmirror-frames"]
    words += ["--archive-encoding", "gbk"]
    words += ["--exclude-train-position", "0", "--exclude-train-position", "7"]
    words += ["--override-image-size", "--image-width", "256", "--image-height", "256"]
    added = invoke("corpora", "add", str(tmp_path / "msasl"), *words, "--no-watch", "--json")
    spec = json.loads(added.stdout)["spec"]
    assert (spec["benchmark_classes"], spec["profile"]) == (100, None)
    assert (spec["exclude_clips"], spec["exclude_train_positions"]) == (["a", "b"], [0, 7])
    assert spec["drop_last_frame"]
    assert spec["override_image_size"]
    assert spec["unmirror_frames"]
    assert spec["archive_encoding"] == "gbk"
    chosen = invoke(
        "corpora",
        "add",
        str(tmp_path / "msasl"),
        "--profile",
        "slr500",
        "--no-watch",
        "--json",
        "--name",
        "b",
    )
    spec = json.loads(chosen.stdout)["spec"]
    assert (spec["profile"], spec["benchmark_classes"], spec["drop_last_frame"]) == ("slr500", None, False)
    assert not spec["unmirror_frames"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--image-width", "640"], "Error: image_height (--image-height) is missing; give both width"),
        (
            ["--test", "s1"],
            "Error: /split: split.test (--test) is 's1', but split.by (--split-by) is 'given'",
        ),
        (
            ["--name", "a/b"],
            "Error: /name: a name must not contain slashes or control characters, but this one contains '/'",
        ),
        (
            ["--split-by", "signer", "--test-fraction", "0"],
            "/split/test_fraction: Input should be greater than 0",
        ),
        (
            ["--split-by", "signer", "--test", "s1", "--test-fraction", "0.5"],
            "--test-fraction is 0.5, but nothing is drawn, because --test names the test split",
        ),
        (["--split-seed", "3"], "--split-seed is 3, but nothing is drawn, because --split-by is 'given'"),
    ],
)
def test_what_cannot_be_imported_is_said_before_it_is_sent(
    invoke: Invoke, api: RunningApi, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "poses.npz").write_bytes(b"poses")
    refused = invoke("corpora", "add", str(tmp_path / "poses.npz"), *words)
    assert refused.exit_code == 1
    assert message in refused.stderr
    assert "Traceback" not in refused.output
    with api.client() as client:
        assert client.jobs.list() == []


def test_an_audit_that_cannot_be_made_is_a_line(invoke: Invoke) -> None:
    refused = invoke("corpora", "leak-audit", "signs", "--folds", "random", "--test-fraction", "1")
    assert refused.exit_code == 1
    assert refused.stderr == "Error: /test_fraction: Input should be less than 1 (got 1.0).\n"


@pytest.mark.parametrize("option", ["--per-signer", "--per-class"])
def test_a_table_that_would_not_be_printed_is_refused(invoke: Invoke, api: RunningApi, option: str) -> None:
    refused = invoke("evaluate", "--corpus", "signs", "--features", "keypoints", option)
    assert refused.exit_code == 2
    assert "--watch" in refused.stderr
    with api.client() as client:
        assert client.jobs.list() == []


def test_submit_takes_a_file_and_standard_input(invoke: Invoke, corpus: str, tmp_path: Path) -> None:
    text = json.dumps({"kind": "pretrain", "corpus": "signs", "recipe": "smoke"})
    (tmp_path / "job.json").write_text(text)
    assert invoke("submit", str(tmp_path / "job.json")).exit_code == 0
    assert invoke("submit", "-", text=text).exit_code == 0
    listed = invoke("jobs", "--kind", "pretrain", "--json")
    assert len(json.loads(listed.stdout)) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("submit", "pretrain", "--corpus", "sings"), "Did you mean 'signs'"),
        (("submit", "pretrain", "--corpus", "signs", "--set", "run.sed=1"), "Did you mean 'seed'"),
        (("submit", "pretrain", "--corpus", "signs", "--recipe", "smok"), "Did you mean 'smoke'"),
        (("submit", "evaluate", "--corpus", "signs"), "need `encoder`"),
        (("submit", "no-such.json"), "no-such.json cannot be read"),
        (("show", "job_0"), "job_0"),
        (("show", "job_0"), "`signforge jobs` lists all."),
        (("cancel", "corpus of hand-made sings"), "`signforge jobs` lists all."),
        (("watch", "job_0"), "`signforge jobs` lists all."),
        (("logs", "job_0"), "`signforge jobs` lists all."),
        (("corpora", "show", "sings"), "Did you mean 'signs'? `signforge corpora list` lists all."),
        (("corpora", "delete", "cor_0"), "`signforge corpora list` lists all."),
        (
            ("encoders", "show", "nobody"),
            "no encoder 'nobody'. There are none yet. `signforge encoders list`",
        ),
        (("download", "nobody"), "`signforge encoders list` lists"),
        (("scores", "eva_0"), "`signforge jobs --kind evaluate` lists"),
        (("webhooks", "delete", "whk_0"), "`signforge webhooks list` lists"),
        (("keys", "revoke", "key_0"), "`signforge keys list` lists all."),
        (("recipes", "nothing"), "There are: stc"),
        (("corpora", "add", "no-such-folder", "--name", "x"), "no-such-folder"),
        (("embed", "no-such-encoder", "no-such-poses"), "no-such-encoder"),
        (("export", "no-such-encoder"), "no-such-encoder"),
    ],
)
def test_errors_are_a_line_and_exit_code_1(
    invoke: Invoke, corpus: str, words: tuple[str, ...], told: str
) -> None:
    result = invoke(*words)
    assert result.exit_code == 1
    assert told in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") <= 2
    assert isinstance(result.exception, SystemExit)


def test_no_service_is_an_error_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNFORGE_URL", "http://127.0.0.1:9")
    result = CliRunner().invoke(app, ["jobs"])
    assert result.exit_code == 1
    assert "signforge up" in result.stderr


def test_a_setting_out_of_bounds_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNFORGE_PORT", "many")
    result = CliRunner().invoke(app, ["jobs"])
    assert result.exit_code == 1
    assert "SIGNFORGE_PORT" in result.stderr


def test_lists_and_shows_for_people(invoke: Invoke, make_encoder: Callable[[bytes], str]) -> None:
    encoder_id = make_encoder(b"weights")
    assert encoder_id in invoke("encoders", "list").stdout
    assert "1 version" not in invoke("encoders", "show", "signs-encoder").stdout
    assert encoder_id in invoke("encoders", "show", "signs-encoder").stdout
    assert "signs" in invoke("corpora", "list").stdout
    shown = invoke("corpora", "show", "signs").stdout
    assert "hello" in shown
    assert "8 (1 skipped)" in shown
    assert "25 (8 clips)" in shown
    assert "succeeded" in invoke("jobs").stdout
    assert "smoke" in invoke("recipes").stdout
    assert '"num_epochs"' in invoke("recipes", "smoke").stdout


def test_download_writes_the_file(
    invoke: Invoke, make_encoder: Callable[[bytes], str], tmp_path: Path
) -> None:
    make_encoder(b"weights")
    result = invoke("download", "signs-encoder", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert Path(result.stdout.strip()).read_bytes() == b"weights"


def test_watch_ends_with_the_job_and_tells_of_its_failure(
    invoke: Invoke, api: RunningApi, corpus: str
) -> None:
    with api.client() as client:
        job_id = client.jobs.submit({"kind": "pretrain", "corpus": corpus, "recipe": "smoke"}).id
    lease = api.claim().lease
    progress = {"phase": "training", "step": 4, "total_steps": 9, "metrics": {"loss": 0.25}}
    with transaction(api.engine) as session:
        reports.report_progress(session, lease, progress)
        outcomes.fail(session, lease, reason=Reason.DIVERGED, message="the loss is [not] a number")
    result = invoke("watch", job_id)
    assert result.exit_code == 1
    assert "training  4/9  loss 0.25" in result.stdout
    assert "diverged" in result.stderr
    assert "the loss is [not] a number" in result.stderr
    assert result.output.count("the loss is [not] a number") == 1, "told twice"


def test_a_watcher_of_a_job_that_waits_is_told_for_what(api: RunningApi, corpus: str) -> None:
    told = io.StringIO()
    with api.client() as client, ThreadPoolExecutor() as pool:
        job_id = client.jobs.submit({"kind": "pretrain", "corpus": corpus, "recipe": "smoke"}).id
        watching = pool.submit(watch_job, client, job_id, Console(file=told, width=200))
        try:
            assert wait_until(lambda: "none is up" in told.getvalue(), seconds=30)
        finally:
            client.jobs.cancel(job_id)
        job = watching.result(timeout=30)
    assert what_it_waits_for(job) is None
    paused = what_it_waits_for(job.model_copy(update={"state": "paused"}))
    assert paused is not None
    assert f"`signforge resume {job_id}` resumes it" in paused


def test_ctrl_c_says_that_a_job_is_not_cancelled_whatever_its_state(
    invoke: Invoke, api: RunningApi, corpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with api.client() as client:
        job_id = client.jobs.submit({"kind": "pretrain", "corpus": corpus, "recipe": "smoke"}).id
        monkeypatch.setattr(LineView, "show", interrupt)
        result = invoke("watch", job_id)
        assert client.jobs.get(job_id).state == "queued"
        client.jobs.cancel(job_id)
    assert result.exit_code == EXIT_INTERRUPTED
    assert f"Stopped watching {job_id}, which is not cancelled." in result.stderr


def test_watching_shows_the_newest_score_on_held_out_clips() -> None:
    progress = Progress(metrics={"loss": 2.5, "quality/knn": 0.6875, "quality/uniformity/joint": -1.1})
    assert numbers(progress) == "loss 2.5  kNN 0.688"


def test_watching_keeps_json_apart(invoke: Invoke, api: RunningApi, corpus: str) -> None:
    with ThreadPoolExecutor() as pool:
        told = pool.submit(
            invoke, "submit", "evaluate", "--corpus", corpus, "--features", "keypoints", "--watch", "--json"
        )
        with api.client() as client:
            assert wait_until(lambda: bool(client.jobs.list(kind="evaluate")), seconds=10)
        claim = api.claim()
        with transaction(api.engine) as session:
            outcomes.succeed_evaluate(session, claim.lease, result={"scores": {"top1": 0.25}})
        result = told.result(timeout=20)
    assert json.loads(result.stdout)["result"]["scores"] == {"top1": 0.25}
    assert "succeeded" in result.stderr


def test_an_audit_is_followed_and_shown(invoke: Invoke, api: RunningApi, corpus: str, tmp_path: Path) -> None:
    found = leak_audit(LeakAuditSpec(corpus=str(random_corpus(tmp_path / "corpus").path)))
    words = ("corpora", "leak-audit", "signs", "--exclude-label", "thanks")
    for told_as, more in (("text", ()), ("JSON", ("--json",))):
        with ThreadPoolExecutor() as pool:
            told = pool.submit(invoke, *words, *more)
            with api.client() as client:
                assert wait_until(lambda: bool(client.jobs.list(state="queued")), seconds=10)
            claim = api.claim()
            assert claim.spec["clips"]["exclude_labels"] == ["thanks"]
            with transaction(api.engine) as session:
                outcomes.succeed(session, claim.lease, result={"leak_audit": found})
            result = told.result(timeout=20)
        assert result.exit_code == 0, result.output
        if told_as == "JSON":
            assert json.loads(result.stdout)["result"]["leak_audit"] == found
        else:
            assert result.stdout.startswith("No alarm.\nNote: ")
            assert "train / test  16     8" in result.stdout
            assert "posture of the first frame" in result.stdout


def test_cancel_says_the_state(invoke: Invoke, api: RunningApi, corpus: str) -> None:
    with api.client() as client:
        job_id = client.jobs.submit({"kind": "pretrain", "corpus": corpus, "recipe": "smoke"}).id
    assert f"{job_id} is cancelled" in invoke("cancel", job_id).stdout
    assert "cancelled" in invoke("show", job_id).stdout


def test_corpora_and_encoders_are_deleted_by_name(
    invoke: Invoke, api: RunningApi, make_encoder: Callable[[bytes], str]
) -> None:
    first, second = make_encoder(b"first"), make_encoder(b"second")
    told = invoke("encoders", "delete", "signs-encoder")
    assert f"{second} (signs-encoder, version 2) is deleted" in told.stdout
    with api.client() as client:
        assert [found.id for found in client.encoders.list()] == [first]
        job = client.jobs.submit({"kind": "evaluate", "corpus": "signs", "encoder": "signs-encoder"})
    refused = invoke("corpora", "delete", "signs")
    assert refused.exit_code == 1
    assert job.id in refused.stderr
    invoke("cancel", job.id)
    assert "(signs) is deleted" in invoke("corpora", "delete", "signs").stdout
    assert "There are no corpora" in invoke("corpora", "list").stdout


def test_keys_are_made_rotated_and_revoked(invoke: Invoke) -> None:
    options = ("--scope", "read", "--name", "laptop", "--days", "90")
    made = json.loads(invoke("keys", "create", "carol", *options, "--json").stdout)
    assert made["api_key"].startswith("sf_")
    assert made["id"] in invoke("keys", "list").stdout
    successor = json.loads(invoke("keys", "rotate", made["id"], "--grace-days", "0", "--json").stdout)
    assert (successor["name"], successor["scopes"]) == ("laptop", ["read"])
    assert successor["expires_at"] > made["expires_at"]
    assert successor["api_key"] != made["api_key"]
    assert invoke("keys", "revoke", successor["id"]).exit_code == 0


def test_webhooks_are_made_tested_rotated_and_deleted(invoke: Invoke, api: RunningApi) -> None:
    assert "There are no webhooks" in invoke("webhooks", "list").stdout
    made = json.loads(invoke("webhooks", "add", "https://example.org/hook", "--json").stdout)
    assert made["url"] in invoke("webhooks", "list").stdout
    assert made["secret"] not in invoke("webhooks", "list", "--json").stdout
    assert "is queued" in invoke("webhooks", "test", made["id"]).stdout
    (message,) = json.loads(invoke("webhooks", "log", made["id"], "--json").stdout)
    assert (message["type"], message["state"]) == ("webhook.test", "pending")
    assert message["id"] in invoke("webhooks", "log", made["id"]).stdout
    rotated = invoke("webhooks", "rotate", made["id"], "--grace-days", "0")
    assert rotated.stdout.startswith("whsec_")
    assert made["secret"] not in rotated.stdout
    assert invoke("webhooks", "delete", made["id"]).exit_code == 0
    refused = invoke("webhooks", "add", "http://127.0.0.1/")
    assert refused.exit_code == 1
    assert "SIGNFORGE_WEBHOOK_PRIVATE_TARGETS" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["signforge", "signforge.client", "signforge.cli", "signforge.embedded.service"]
)
def test_torch_stays_out(module: str) -> None:
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ("knn", "at most 60 labelled clips to compare with."),
        ("dictionary", "at most 60 labelled clips to compare with."),
        ("linear", "trained on at most 60 clips."),
    ],
)
def test_what_the_labelled_clips_were_for(
    protocol: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"id": "evl_1", "job_id": "job_1", "corpus_id": "cor_1", "created_at": "2026-01-01T00:00:00Z"}
    facts |= {"features": "encoder", "folds": "split"}
    scores = {**SCORES, "num_train": 60}
    print_evaluation(Evaluation.model_validate({**facts, "protocol": protocol, "scores": scores}))
    assert f"evl_1: 4 test clips, 2 glosses; {said}" in capsys.readouterr().out
