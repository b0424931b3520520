//! Stories of viewers and a database that answers late, badly or not at all, without a database.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::timeout;
use watchgate_config::Secret;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_mins(1);

/// Answers what it was told to, once it may.
struct Fake {
    answer: Mutex<Answer>,
    asked: AtomicUsize,
    /// A question takes one and gives it back.
    may_answer: Semaphore,
}

#[derive(Clone, Copy)]
enum Answer {
    Row(&'static str),
    None,
    Error,
    Timeout,
    Panic,
}

impl Source for Arc<Fake> {
    async fn row(&self, _: Film) -> Result<Option<String>, Failed> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _turn = self.may_answer.acquire().await.unwrap();
        let answer = *self.answer.lock().unwrap();
        match answer {
            Answer::Row(row) => Ok(Some(row.to_owned())),
            Answer::None => Ok(None),
            Answer::Error => Err(Failed::Error("refused".to_owned())),
            Answer::Timeout => Err(Failed::Timeout("the query")),
            Answer::Panic => panic!("on purpose"),
        }
    }

    async fn prove(&self) -> Result<(), Failed> {
        self.row(film(0)).await.map(drop)
    }
}

struct Case {
    fake: Arc<Fake>,
    database: Database<Arc<Fake>>,
}

impl Case {
    fn new(answer: Answer, ttl: Duration) -> Self {
        let fake = Arc::new(Fake {
            answer: Mutex::new(answer),
            asked: AtomicUsize::new(0),
            may_answer: Semaphore::new(100),
        });
        let config = watchgate_config::Postgres {
            url: Secret::new(""),
            query: String::new(),
            ttl,
            negative_ttl: MINUTE,
            timeout: MINUTE,
            connections: NonZeroU32::new(2).unwrap(),
        };
        let metrics = DatabaseMetrics::register(&Registry::new()).unwrap();
        let database = Database::new(Arc::clone(&fake), &config, Shape::Object, Clock::start(), metrics);
        Self { fake, database }
    }

    fn answers(&self, answer: Answer) {
        *self.fake.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.fake.asked.load(Ordering::SeqCst)
    }

    fn hold(&self) {
        assert_eq!(self.fake.may_answer.forget_permits(100), 100);
    }

    fn release(&self) {
        self.fake.may_answer.add_permits(100);
    }

    fn look(&self, number: u8) -> Word<String> {
        self.database.look(&film(number), str::to_owned)
    }

    async fn ask(&self, number: u8) -> Result<(), NoAnswer> {
        timeout(PATIENCE, self.database.ask(&film(number))).await.expect("an answer in time")
    }

    async fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let wait = async {
            while !holds(self) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}, in time"));
    }
}

fn film(number: u8) -> Film {
    Film::from_bytes([number; 16])
}

fn row(text: &str) -> Word<String> {
    Word::Row(text.to_owned())
}

#[tokio::test]
async fn what_was_learnt_is_not_asked_again() {
    let case = Case::new(Answer::Row("/a.mp4"), MINUTE);
    assert_eq!(case.look(1), Word::Ask);
    assert_eq!((case.ask(1).await, case.look(1)), (Ok(()), row("a.mp4")));
    for absent in [Answer::None, Answer::Row("")] {
        case.answers(absent);
        let number = 1 + u8::try_from(case.asked()).unwrap();
        assert_eq!((case.ask(number).await, case.look(number)), (Ok(()), Word::Unknown));
        assert_eq!(case.ask(number).await, Ok(()));
    }
    assert_eq!((case.ask(1).await, case.asked()), (Ok(()), 3));
}

#[tokio::test]
async fn viewers_of_one_film_share_a_question() {
    let case = Case::new(Answer::Row("a.mp4"), MINUTE);
    case.hold();
    let askers = (0..500).map(|_| case.ask(1));
    let askers = futures_util::future::join_all(askers);
    let story = async {
        case.until("a question", |case| case.asked() == 1).await;
        case.release();
    };
    let (outcomes, ()) = tokio::join!(askers, story);
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!((case.asked(), case.look(1)), (1, row("a.mp4")));
}

#[tokio::test]
async fn a_viewer_who_leaves_does_not_stop_the_question() {
    let case = Case::new(Answer::Row("a.mp4"), MINUTE);
    case.hold();
    assert!(timeout(Duration::ZERO, case.database.ask(&film(1))).await.is_err());
    case.release();
    case.until("the row", |case| case.look(1) == row("a.mp4")).await;
    assert_eq!(case.asked(), 1);
}

#[tokio::test]
async fn beyond_the_room_there_is_no_answer_at_once() {
    let case = Case::new(Answer::Row("a.mp4"), MINUTE);
    case.hold();
    // Two connections, four questions each.
    for number in 0..8 {
        assert!(timeout(Duration::ZERO, case.database.ask(&film(number))).await.is_err());
    }
    assert_eq!(case.ask(100).await, Err(NoAnswer::Busy));
    assert_eq!(case.database.shared.metrics.refused.get(), 1);
    case.release();
    case.until("the rows", |case| (0..8).all(|number| case.look(number) == row("a.mp4"))).await;
    assert_eq!((case.ask(100).await, case.look(100)), (Ok(()), row("a.mp4")));
}

#[tokio::test]
async fn a_question_that_breaks_is_no_end() {
    let case = Case::new(Answer::Panic, MINUTE);
    assert_eq!((case.ask(1).await, case.look(1)), (Err(NoAnswer::Database), Word::Ask));
    case.answers(Answer::Row("a.mp4"));
    assert_eq!((case.ask(1).await, case.look(1)), (Ok(()), row("a.mp4")));
}

#[tokio::test]
async fn a_database_that_is_down_takes_no_known_film_away() {
    // Nothing is believed for longer than a moment.
    let case = Case::new(Answer::Row("a.mp4"), Duration::ZERO);
    case.ask(1).await.unwrap();
    assert_eq!(case.look(1), Word::Ask);
    for (answer, why) in [(Answer::Error, NoAnswer::Database), (Answer::Timeout, NoAnswer::Timeout)] {
        case.answers(answer);
        assert_eq!(case.ask(1).await, Ok(()));
        assert_eq!((case.look(1), case.database.shared.metrics.up.get()), (row("a.mp4"), 0));
        assert_eq!((case.ask(2).await, case.look(2)), (Err(why), Word::Ask));
    }
    // It is one of the known films that finds out when it is over.
    case.answers(Answer::Row("b.mp4"));
    case.until("the new row", |case| case.look(1) == row("b.mp4") || case.look(1) == Word::Ask).await;
    assert_eq!(case.database.shared.metrics.up.get(), 1);
    assert_eq!(case.ask(2).await, Ok(()));
}

#[tokio::test]
async fn a_film_that_is_watched_is_refreshed_behind_its_viewers() {
    let case = Case::new(Answer::Row("a.mp4"), Duration::from_secs(2));
    case.ask(1).await.unwrap();
    case.answers(Answer::Row("b.mp4"));
    // Past half of its time; nobody is ever told to ask.
    case.until("the new row", |case| {
        let word = case.look(1);
        assert_ne!(word, Word::Ask);
        word == row("b.mp4")
    })
    .await;
    assert_eq!(case.asked(), 2);
    case.answers(Answer::None);
    case.until("its end", |case| case.look(1) == Word::Unknown).await;
}

#[tokio::test]
async fn a_bad_row_is_no_answer_and_takes_no_good_one_away() {
    let case = Case::new(Answer::Row("../../etc/passwd"), Duration::ZERO);
    assert_eq!((case.ask(1).await, case.look(1)), (Err(NoAnswer::BadRow), Word::Ask));
    assert_eq!((case.ask(1).await, case.asked()), (Err(NoAnswer::BadRow), 1));
    case.answers(Answer::Row("a.mp4"));
    case.ask(2).await.unwrap();
    case.answers(Answer::Row("a//b"));
    assert_eq!((case.ask(2).await, case.look(2)), (Ok(()), row("a.mp4")));
    assert_eq!(case.database.shared.metrics.bad_row.get(), 2);
}

#[test]
fn without_a_runtime_looking_still_works() {
    let case = Case::new(Answer::Row("a.mp4"), Duration::from_millis(2));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(case.ask(1)).unwrap();
    let started = std::time::Instant::now();
    while case.look(1) != Word::Ask {
        assert!(started.elapsed() < PATIENCE);
        assert_eq!(case.asked(), 1);
    }
}

#[tokio::test]
async fn running_tries_the_database_first_and_ends_with_the_gate() {
    let case = Case::new(Answer::Error, MINUTE);
    let (stop, shutdown) = watch::channel(false);
    let story = async {
        case.until("a try", |case| case.database.shared.metrics.error.get() == 1).await;
        stop.send_replace(true);
    };
    let both = async { tokio::join!(case.database.run(shutdown), story) };
    timeout(PATIENCE, both).await.expect("it ends");
    assert!(case.database.shared.outage.is_on());
}

#[tokio::test]
async fn a_proof_asks_past_what_is_remembered_and_says_why_there_is_no_answer() {
    let case = Case::new(Answer::None, MINUTE);
    assert_eq!((case.ask(0).await, case.look(0)), (Ok(()), Word::Unknown));
    let check = async |answer: Answer, expected: Result<(), &str>| {
        case.answers(answer);
        assert_eq!(case.database.prove().await, expected.map_err(str::to_owned));
    };
    check(Answer::None, Ok(())).await;
    check(Answer::Row("a.mp4"), Ok(())).await;
    check(Answer::Error, Err("refused")).await;
    check(Answer::Timeout, Err("the query took longer than catalog.postgres.timeout")).await;
    assert_eq!(case.asked(), 5);
}
