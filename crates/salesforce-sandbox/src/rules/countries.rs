//! Countries and states that an org knows when its configuration lists none: a few of the world's, with the states of
//! those where Salesforce has them from the start.
use super::{Country, State};

type Names = &'static [(&'static str, &'static str)];

const COUNTRIES: &[(&str, &str, Names)] = &[
    ("AR", "Argentina", &[]),
    ("AT", "Austria", &[]),
    ("AU", "Australia", AUSTRALIA),
    ("BE", "Belgium", &[]),
    ("BR", "Brazil", BRAZIL),
    ("CA", "Canada", CANADA),
    ("CH", "Switzerland", &[]),
    ("CN", "China", &[]),
    ("CZ", "Czechia", &[]),
    ("DE", "Germany", &[]),
    ("DK", "Denmark", &[]),
    ("ES", "Spain", &[]),
    ("FI", "Finland", &[]),
    ("FR", "France", &[]),
    ("GB", "United Kingdom", &[]),
    ("GR", "Greece", &[]),
    ("HU", "Hungary", &[]),
    ("IE", "Ireland", &[]),
    ("IL", "Israel", &[]),
    ("IN", "India", &[]),
    ("IT", "Italy", &[]),
    ("JP", "Japan", &[]),
    ("KR", "Korea, Republic of", &[]),
    ("LU", "Luxembourg", &[]),
    ("MX", "Mexico", &[]),
    ("NL", "Netherlands", &[]),
    ("NO", "Norway", &[]),
    ("NZ", "New Zealand", &[]),
    ("PL", "Poland", &[]),
    ("PT", "Portugal", &[]),
    ("RO", "Romania", &[]),
    ("SE", "Sweden", &[]),
    ("SG", "Singapore", &[]),
    ("TR", "Türkiye", &[]),
    ("UA", "Ukraine", &[]),
    ("US", "United States", UNITED_STATES),
    ("ZA", "South Africa", &[]),
];

const AUSTRALIA: Names = &[
    ("ACT", "Australian Capital Territory"),
    ("NSW", "New South Wales"),
    ("NT", "Northern Territory"),
    ("QLD", "Queensland"),
    ("SA", "South Australia"),
    ("TAS", "Tasmania"),
    ("VIC", "Victoria"),
    ("WA", "Western Australia"),
];

const BRAZIL: Names = &[
    ("BA", "Bahia"),
    ("DF", "Distrito Federal"),
    ("MG", "Minas Gerais"),
    ("PR", "Paraná"),
    ("RJ", "Rio de Janeiro"),
    ("RS", "Rio Grande do Sul"),
    ("SP", "São Paulo"),
];

const CANADA: Names = &[
    ("AB", "Alberta"),
    ("BC", "British Columbia"),
    ("MB", "Manitoba"),
    ("NB", "New Brunswick"),
    ("NL", "Newfoundland and Labrador"),
    ("NS", "Nova Scotia"),
    ("NT", "Northwest Territories"),
    ("NU", "Nunavut"),
    ("ON", "Ontario"),
    ("PE", "Prince Edward Island"),
    ("QC", "Quebec"),
    ("SK", "Saskatchewan"),
    ("YT", "Yukon Territories"),
];

#[rustfmt::skip]
const UNITED_STATES: Names = &[
    ("AL", "Alabama"), ("AK", "Alaska"), ("AZ", "Arizona"), ("AR", "Arkansas"), ("CA", "California"),
    ("CO", "Colorado"), ("CT", "Connecticut"), ("DE", "Delaware"), ("DC", "District of Columbia"), ("FL", "Florida"),
    ("GA", "Georgia"), ("HI", "Hawaii"), ("ID", "Idaho"), ("IL", "Illinois"), ("IN", "Indiana"), ("IA", "Iowa"),
    ("KS", "Kansas"), ("KY", "Kentucky"), ("LA", "Louisiana"), ("ME", "Maine"), ("MD", "Maryland"),
    ("MA", "Massachusetts"), ("MI", "Michigan"), ("MN", "Minnesota"), ("MS", "Mississippi"), ("MO", "Missouri"),
    ("MT", "Montana"), ("NE", "Nebraska"), ("NV", "Nevada"), ("NH", "New Hampshire"), ("NJ", "New Jersey"),
    ("NM", "New Mexico"), ("NY", "New York"), ("NC", "North Carolina"), ("ND", "North Dakota"), ("OH", "Ohio"),
    ("OK", "Oklahoma"), ("OR", "Oregon"), ("PA", "Pennsylvania"), ("RI", "Rhode Island"), ("SC", "South Carolina"),
    ("SD", "South Dakota"), ("TN", "Tennessee"), ("TX", "Texas"), ("UT", "Utah"), ("VT", "Vermont"),
    ("VA", "Virginia"), ("WA", "Washington"), ("WV", "West Virginia"), ("WI", "Wisconsin"), ("WY", "Wyoming"),
];

/// The built-in countries, by code.
pub(crate) fn built_in() -> Vec<Country> {
    COUNTRIES
        .iter()
        .map(|(code, name, states)| Country {
            code: (*code).into(),
            name: (*name).into(),
            states: states
                .iter()
                .map(|(code, name)| State {
                    code: (*code).into(),
                    name: (*name).into(),
                })
                .collect(),
        })
        .collect()
}
