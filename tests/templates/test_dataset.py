import pytest
from pydantic import ValidationError

from t2t.errors import DataError
from t2t.templates.dataset import Dataset, Hub, Local


def test_a_hub_row_gets_our_names_by_column_or_expression():
    hub = Hub(path="example/qa", columns={"answers": "{{ answers.text }}", "question": "query"})
    row = {"query": "Who?", "answers": {"text": ["Ann"], "answer_start": [3]}, "id": 7}
    assert hub.row(row) == {"question": "Who?", "answers": ["Ann"], "id": 7}


def test_an_expression_turns_a_boolean_into_a_word():
    hub = Hub(path="example/boolq", columns={"label": "{{ 'yes' if answer else 'no' }}"})
    assert hub.row({"answer": False})["label"] == "no"


def test_columns_may_swap_their_names():
    hub = Hub(path="example/pairs", columns={"first": "second", "second": "first"})
    assert hub.row({"first": 1, "second": 2}) == {"first": 2, "second": 1}


def test_a_column_whose_source_a_row_lacks_is_left_out():
    hub = Hub(path="example/nli", columns={"label": "{{ gold | replace('_', ' ') }}", "premise": "sentence1"})
    assert hub.row({"sentence2": "h"}) == {"sentence2": "h"}


def test_an_expression_that_fails_on_a_row_is_an_error():
    hub = Hub(path="example/qa", columns={"answer": "{{ answers[0] }}"})
    with pytest.raises(DataError) as caught:
        hub.row({"answers": []})
    assert str(caught.value) == (
        'column "answer" cannot be made from a row of example/qa: list object has no element 0\n'
        "  have:  answers\n  mend:  mend its expression under columns:"
    )


def test_a_local_folder_may_mend_its_columns_too():
    local = Local(path="notes", columns={"text": "{{ text.strip() }}"})
    assert local.row({"text": " fog ", "id": 7}) == {"text": "fog", "id": 7}


def test_a_misspelt_name_does_not_take_a_column_away():
    local = Local(path="notes", columns={"text": "{{ texd.strip() }}"})
    assert local.row({"id": 7}) == {"id": 7}
    with pytest.raises(DataError) as caught:
        local.row({"text": "fog"})
    assert str(caught.value) == (
        'column "text" cannot be made from a row of notes, which lacks "texd"\n'
        '  have:  text\n  mend:  did you mean "text"?'
    )


def test_a_folder_alone_may_stand_for_local():
    assert Dataset.model_validate({"local": "notes"}).local == Local(path="notes")
    assert Dataset.model_validate({"local": "notes"}).folder == "notes"
    assert Dataset().folder is None
    with pytest.raises(ValidationError, match=r"should be a folder or \{path: folder, columns: ...\}, not 3"):
        Dataset.model_validate({"local": 3})


def test_an_expression_must_compile():
    with pytest.raises(ValidationError, match='the expression of column "answer" has a syntax error'):
        Hub(path="example/qa", columns={"answer": "{{ answers[ }}"})
