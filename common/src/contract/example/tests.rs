//! Examples hold: against their schemas, against their own checks, and through serde and back.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Example;
use crate::contract::Rejection;
use crate::contract::command::{CommandData, CommandName, CommandVisitor};
use crate::contract::event::{CloudEvent, EventData, EventKind, EventVisitor};

fn holds<T: Example + Serialize + DeserializeOwned + JsonSchema>(what: &str, settings: SchemaSettings, example: &T) {
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let json = serde_json::to_value(example).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(&json).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{what}: {json} is not as {schema} says: {faults:?}");
    let again: T = serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{what}: {json}: {error}"));
    assert_eq!(serde_json::to_value(again).unwrap(), json, "{what}");
}

struct Holds;

impl CommandVisitor for Holds {
    type Output = ();

    fn visit<C: CommandData>(self) {
        let (name, data) = (C::NAME.as_str(), C::example());
        assert_eq!(data.check(), Ok(()), "{name}");
        holds(name, SchemaSettings::draft2020_12(), &data);
        holds(&format!("the reply to {name}"), SchemaSettings::draft2020_12().for_serialize(), &C::reply_example());
    }
}

impl EventVisitor for Holds {
    type Output = ();

    fn visit<D: EventData>(self)
    where
        CloudEvent<D>: Example,
    {
        let event = CloudEvent::<D>::example();
        assert_eq!((event.kind, event.subject), (D::KIND, D::example().subject()));
        let settings = SchemaSettings::draft2020_12().for_serialize();
        holds(D::KIND.as_str(), settings, &CloudEvent::<D>::example());
    }
}

#[test]
fn every_example_is_as_its_schema_says_and_survives_serde() {
    for name in CommandName::ALL {
        name.visit(Holds);
    }
    for kind in EventKind::ALL {
        kind.visit(Holds);
    }
    holds("a rejection", SchemaSettings::draft2020_12().for_serialize(), &Rejection::example());
}
