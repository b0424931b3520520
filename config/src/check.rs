//! Compares what was written with the grammar in `keys`: unknown and missing keys, kinds, words and ranges.
//!
//! What comes out holds only values that are right by themselves, with the defaults filled in; every other value has
//! left a fault behind. How values go together is not judged here.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::duration;
use crate::fault::{Fault, Faults, Wrong};
use crate::keys::{self, Absent, Alone, Form, Instead, Key, Kind, Least, Step};
use crate::tree::{Item, Origin, Table, Value, join};
use crate::{Secret, address, size};

/// Checks one table and all below it.
pub(crate) fn table(written: Table, keys: &'static [Key], faults: &mut Faults) -> Table {
    let mut checked = Table::at(written.path, written.line);
    let mut entries = written.entries;
    for key in keys {
        let value = match entries.remove(key.name) {
            Some(item) if key.in_file() || matches!(item.origin, Origin::Env(_)) => {
                let value = item_of(item, key, &key.kind, faults);
                if value.is_none() {
                    checked.refused.push(key.name);
                }
                value
            }
            Some(item) => {
                entries.insert(key.name.to_owned(), item);
                None
            }
            None => absent(&checked, key, faults),
        };
        checked.entries.extend(value.map(|item| (key.name.to_owned(), item)));
    }
    for (name, item) in entries {
        faults.push(item.fault(Wrong::new("unknown key").nearest(&name, keys::names(keys))));
    }
    checked
}

fn absent(table: &Table, key: &'static Key, faults: &mut Faults) -> Option<Item> {
    let path = join(&table.path, key.name);
    let text = |text: &str, path: String| Item::new(path, Origin::Default, Value::Text(text.to_owned()));
    let value = match key.absent {
        Absent::Unset => return None,
        Absent::Fault => {
            faults.push(missing(table, key));
            return None;
        }
        Absent::Text(default) => Value::Text(default.to_owned()),
        Absent::Integer(number) => Value::Integer(number.into()),
        Absent::Number(number) => Value::Number(number),
        Absent::Bool(truth) => Value::Bool(truth),
        Absent::Texts(texts) => {
            let items = texts.iter().enumerate();
            Value::List(items.map(|(index, default)| text(default, format!("{path}[{index}]"))).collect())
        }
        Absent::Empty => match &key.kind {
            Kind::Table { keys, .. } => Value::Table(self::table(Table::at(&path, None), keys, faults)),
            // Only tables can be empty; the test of the grammar holds that.
            _ => return None,
        },
    };
    Some(Item::new(path, Origin::Default, value))
}

fn missing(table: &Table, key: &'static Key) -> Fault {
    let wrong = match key.kind {
        Kind::Tables { .. } => too_few(key),
        _ => Wrong::new("required key is missing"),
    };
    let wrong = with_example(wrong, key);
    let wrong = match &wrong.hint {
        // Nobody wrote the table either.
        Some(hint) if table.line.is_none() && !table.path.is_empty() => {
            let hint = format!("{hint} under [{}]", table.path);
            wrong.hint(hint)
        }
        _ => wrong,
    };
    table.lacks(key.name, wrong)
}

fn too_few(key: &Key) -> Wrong {
    Wrong::new(format!("at least one [[{}]] is required", key.name))
}

fn with_example(wrong: Wrong, key: &Key) -> Wrong {
    match (key.sample(), &key.kind) {
        (Some(sample), _) => wrong.hint(format!("for example {} = {sample}", key.name)),
        (None, Kind::Table { form: Form::Section, .. }) => wrong.hint(format!("write [{}]", key.name)),
        (None, Kind::Tables { .. }) => wrong.hint(format!("write [[{}]]", key.name)),
        (None, _) => wrong,
    }
}

/// The value if it is of its kind; a fault if not.
fn item_of(item: Item, key: &'static Key, kind: &'static Kind, faults: &mut Faults) -> Option<Item> {
    let Item { path, origin, value } = item;
    let fits = match (kind, value) {
        (Kind::List { of, min, max, alone }, value) => {
            return list(Item { path, origin, value }, key, (of, *min..=*max, *alone), faults);
        }
        (Kind::Table { keys, .. }, Value::Table(inner)) => Ok(Value::Table(table(inner, keys, faults))),
        (Kind::Tables { min, .. }, Value::List(items)) if items.len() < *min => {
            Err(with_example(too_few(key), key))
        }
        (Kind::Tables { keys, .. }, Value::List(items)) => {
            Ok(Value::List(items.into_iter().filter_map(|item| one_table(item, key, keys, faults)).collect()))
        }
        (Kind::Secret, Value::Text(text)) => Ok(Value::Secret(Secret::new(&text))),
        (kind, value) => scalar(kind, value).map_err(|wrong| match wrong.hint {
            Some(_) => wrong,
            None => with_example(wrong, key),
        }),
    };
    match fits {
        Ok(value) => Some(Item { path, origin, value }),
        Err(wrong) => {
            // The value is gone, and the fault does not need it.
            faults.push(Item::new(path, origin, Value::Other("")).fault(wrong));
            None
        }
    }
}

fn one_table(item: Item, key: &'static Key, keys: &'static [Key], faults: &mut Faults) -> Option<Item> {
    let Value::Table(inner) = item.value else {
        let wrong = Wrong::new(format!("must be a table, not {}", item.value.describe()));
        faults.push(item.fault(with_example(wrong, key)));
        return None;
    };
    Some(Item { value: Value::Table(table(inner, keys, faults)), ..item })
}

fn list(
    item: Item,
    key: &'static Key,
    (of, lengths, alone): (&'static Kind, RangeInclusive<usize>, Alone),
    faults: &mut Faults,
) -> Option<Item> {
    let items = match &item.value {
        Value::List(items) => items.clone(),
        Value::Text(_) if alone == Alone::Accepted => vec![item.clone()],
        other => {
            let what = format!("must be {}, not {}", key.kind.wanted(), other.describe());
            faults.push(item.fault(with_example(Wrong::new(what), key)));
            return None;
        }
    };
    if !lengths.contains(&items.len()) {
        let (min, max) = (lengths.start(), lengths.end());
        let what = if items.is_empty() {
            "must not be empty".to_owned()
        } else {
            format!("must have {min} to {max} entries, not {}", items.len())
        };
        faults.push(item.fault(with_example(Wrong::new(what), key)));
        return None;
    }
    let written = items.len();
    let checked: Vec<Item> = items.into_iter().filter_map(|item| item_of(item, key, of, faults)).collect();
    (checked.len() == written).then_some(Item { value: Value::List(checked), ..item })
}

fn scalar(kind: &Kind, value: Value) -> Result<Value, Wrong> {
    match (kind, value) {
        (Kind::Text(_) | Kind::SecretFile, Value::Text(text)) => plain(text).map(Value::Text),
        (Kind::Word(words), Value::Text(text)) => word(words, text).map(Value::Text),
        (Kind::Bool, Value::Bool(truth)) => Ok(Value::Bool(truth)),
        (Kind::Integer { min, max }, Value::Integer(number)) => {
            if (i128::from(*min)..=i128::from(*max)).contains(&number) {
                return Ok(Value::Integer(number));
            }
            Err(Wrong::new(format!("must be from {min} to {max}, not {number}")))
        }
        (Kind::Number { min, max, least }, Value::Number(number)) => in_range(number, *min, *max, *least),
        (Kind::Number { min, max, least }, Value::Integer(number)) => {
            in_range(number as f64, *min, *max, *least)
        }
        (Kind::Duration { instead: Some(instead), .. }, Value::Text(text)) if text == instead.word => {
            Ok(Value::Text(text))
        }
        (Kind::Duration { min, max, step, instead }, Value::Text(text)) => {
            let checked = in_time(&text, *min..=*max, *step);
            checked.map(|()| Value::Text(text.clone())).map_err(|wrong| match instead {
                Some(Instead { word, hint: "" }) => wrong.nearest(&text, [*word]),
                Some(Instead { hint, .. }) => wrong.hint(*hint),
                None => wrong,
            })
        }
        (Kind::Size { min, max }, Value::Text(text)) => {
            in_size(text, *min..=*max).map_err(|wrong| match wrong.hint {
                None if *min == 0 => wrong.hint("\"0KiB\" turns it off"),
                _ => wrong,
            })
        }
        (Kind::Asn, Value::Integer(number)) => {
            address::parse_asn(&number.to_string()).map(|_| Value::Integer(number))
        }
        (Kind::Asn, Value::Text(text)) => address::parse_asn(&text).map(|_| Value::Text(text)),
        (kind, value) => Err(Wrong::new(format!("must be {}, not {}", kind.wanted(), value.describe()))),
    }
}

fn in_time(text: &str, range: RangeInclusive<Duration>, step: Step) -> Result<(), Wrong> {
    let parsed = duration::parse(text)?;
    if !range.contains(&parsed) {
        let (min, max) = (duration::write(*range.start()), duration::write(*range.end()));
        return Err(Wrong::new(format!("must be from {min} to {max}, not {text}")));
    }
    if step == Step::Second && parsed.subsec_nanos() != 0 {
        return Err(Wrong::new(format!("must be whole seconds, not {text}")));
    }
    Ok(())
}

fn in_size(text: String, range: RangeInclusive<u64>) -> Result<Value, Wrong> {
    if range.contains(&size::parse(&text)?) {
        return Ok(Value::Text(text));
    }
    let (min, max) = (size::write(*range.start()), size::write(*range.end()));
    Err(Wrong::new(format!("must be from {min} to {max}, not {text}")))
}

fn plain(text: String) -> Result<String, Wrong> {
    if text.chars().any(char::is_control) {
        return Err(Wrong::new("must not have control characters"));
    }
    Ok(text)
}

fn word(words: &'static [&'static str], text: String) -> Result<String, Wrong> {
    if words.contains(&text.as_str()) {
        return Ok(text);
    }
    let wrong = Wrong::new(format!("{text:?} is not one of {}", words.join(", ")));
    Err(wrong.nearest(&text, words.iter().copied()))
}

fn in_range(number: f64, min: f64, max: f64, least: Least) -> Result<Value, Wrong> {
    let above = if least == Least::Included { min <= number } else { min < number };
    if above && number <= max {
        return Ok(Value::Number(number));
    }
    let from = if least == Least::Included { "from" } else { "above" };
    let to = if least == Least::Included { "to" } else { "and at most" };
    Err(Wrong::new(format!("must be {from} {min} {to} {max}, not {number}")))
}
