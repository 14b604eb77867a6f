//! The parent: rounds of fresh processes, interleaved over the runtimes.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::adapters::{NAMES, smol};
use crate::args::{Args, peer_names};
use crate::cases::{Case, Failure, Verdict};
use crate::child::{self, Order};
use crate::figures::{Figure, Figures};
use crate::go;
use crate::load;
use crate::pin::{LOOKS, Pinner, Prober};
use crate::progress::Progress;
use crate::stats::Summary;

/// A child that takes longer than this hangs; the slowest honest one takes some 20 s.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a running child is looked at.
const POLL: Duration = Duration::from_millis(10);

/// When `--quick` wants to be done.
const QUICK_BUDGET: Duration = Duration::from_secs(100);

/// The runtimes of a comparison.
#[derive(Debug)]
pub(crate) struct Peers {
    names: Vec<&'static str>,
    go: Option<PathBuf>,
}

impl Peers {
    /// Finds the runtimes that were asked for; Go may be missing if it was not asked for by name.
    ///
    /// # Errors
    ///
    /// If Go was named but is not there or does not build.
    pub(crate) fn find(
        asked: Option<&[&'static str]>,
        progress: &mut Progress,
    ) -> Result<Peers, String> {
        let wants_go = asked.is_none_or(|names| names.contains(&go::NAME));
        let found = match go::on_path("go") {
            Some(path) if wants_go => go::build(&path).map(Some),
            None if asked.is_some() && wants_go => Err("go is not on the PATH".to_string()),
            _ => Ok(None),
        };
        let go = match found {
            Err(error) if asked.is_none() => {
                progress.note(&format!("without go: {error}"));
                None
            }
            other => other?,
        };
        let all = peer_names();
        let names = asked.unwrap_or(&all).iter().copied();
        let names = names
            .filter(|name| *name != go::NAME)
            .chain(go.is_some().then_some(go::NAME));
        Ok(Peers {
            names: names.collect(),
            go,
        })
    }

    /// Returns the runtimes, heaps or local executors that know the case.
    fn for_case(&self, case: &Case) -> Vec<&'static str> {
        self.names
            .iter()
            .copied()
            .filter(|name| match *name {
                go::NAME => case.go,
                name if case.contestants.is_empty() => NAMES.contains(&name),
                name => case.contestants.contains(&name),
            })
            .collect()
    }
}

/// What one runtime did in one case.
#[derive(Debug)]
pub(crate) struct Column {
    /// The runtime.
    pub(crate) runtime: &'static str,
    /// The figures of its rounds.
    pub(crate) rounds: Vec<Figures>,
}

impl Column {
    /// Summarises a figure over the rounds.
    pub(crate) fn summary(&self, figure: Figure) -> Option<Summary> {
        let values: Vec<f64> = self
            .rounds
            .iter()
            .filter_map(|round| round.get(figure))
            .collect();
        Summary::of(&values)
    }
}

/// One case with one number of workers.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// The case.
    pub(crate) case: &'static Case,
    /// The number of workers.
    pub(crate) procs: usize,
    /// The runtimes, in the order of the tables.
    pub(crate) columns: Vec<Column>,
    /// How many CPUs the probes found before the children.
    pub(crate) cpus: Vec<f64>,
    /// What went wrong, and which runtimes could not run the case.
    pub(crate) failures: Vec<String>,
    /// Reasons why runtimes left the case out.
    pub(crate) skips: Vec<String>,
}

/// Runs comparisons and tells how far it is.
pub(crate) struct Runner<'a> {
    args: &'a Args,
    peers: &'a Peers,
    progress: &'a mut Progress,
    prober: Prober,
    load: &'static str,
    done: usize,
}

impl<'a> Runner<'a> {
    /// Makes a runner; the way the `http` case is loaded is decided here, once.
    pub(crate) fn new(args: &'a Args, peers: &'a Peers, progress: &'a mut Progress) -> Runner<'a> {
        Runner {
            args,
            peers,
            progress,
            prober: Prober::default(),
            load: load::method(),
            done: 0,
        }
    }

    /// Runs every case with every number of workers and hands each result to `show`.
    pub(crate) fn run(&mut self, mut show: impl FnMut(&Comparison)) -> Vec<Comparison> {
        let (cases, procs) = (&self.args.cases, &self.args.procs);
        let pairs = cases
            .iter()
            .flat_map(|&case| procs.iter().map(move |&procs| (case, procs)));
        let total = cases.len() * procs.len();
        let mut results = Vec::with_capacity(total);
        for (case, procs) in pairs {
            let comparison = self.compare(case, procs, total);
            self.progress.clear();
            show(&comparison);
            self.done += 1;
            results.push(comparison);
        }
        results
    }

    fn compare(&mut self, case: &'static Case, procs: usize, total: usize) -> Comparison {
        let runtimes = self.peers.for_case(case);
        let columns = runtimes.iter().map(|&runtime| Column {
            runtime,
            rounds: Vec::new(),
        });
        let mut result = Comparison {
            case,
            procs,
            columns: columns.collect(),
            cpus: Vec::new(),
            failures: Vec::new(),
            skips: Vec::new(),
        };
        let place = format!("{}/{total} {} at {procs} procs", self.done + 1, case.name);
        self.progress.heading(&place);
        let share = self.share_of_budget(total);
        let start = Instant::now();
        for round in 1..=self.args.rounds {
            self.round(
                &mut result,
                &format!("{place}, round {round}/{}", self.args.rounds),
            );
            // Another round would take as long as those so far did on average.
            let next_end = start.elapsed().mul_f64(1.0 + 1.0 / round as f64);
            if share.is_some_and(|share| next_end > share) {
                break;
            }
        }
        result
    }

    /// Returns how long the next case may take so that all can have their share of the budget.
    fn share_of_budget(&self, total: usize) -> Option<Duration> {
        let left = QUICK_BUDGET.saturating_sub(self.progress.elapsed());
        self.args.quick.then(|| left / (total - self.done) as u32)
    }

    fn round(&mut self, result: &mut Comparison, place: &str) {
        let Comparison {
            case,
            procs,
            columns,
            cpus,
            failures,
            skips,
        } = result;
        for column in columns {
            // A runtime that failed or cannot run the case is not asked again.
            let given_up =
                |texts: &[String]| texts.iter().any(|text| text.starts_with(column.runtime));
            if given_up(failures) || given_up(skips) {
                continue;
            }
            self.progress.step(format!("{place}, {}", column.runtime));
            if *procs == 2 {
                let patience = self.patience();
                cpus.extend(self.prober.probe(patience));
            }
            let order = Order {
                case,
                runtime: column.runtime,
                procs: *procs,
                scale: self.args.scale,
            };
            let name = case.name;
            match self.launch(order) {
                Ok(figures) => column.rounds.push(figures),
                Err(Failure::Skip(reason)) => {
                    self.progress
                        .note(&format!("{name}: {} skipped: {reason}", column.runtime));
                    skips.push(format!("{}: {reason}", column.runtime));
                }
                Err(Failure::Wrong(reason)) => {
                    self.progress
                        .note(&format!("{name}: {} FAILED: {reason}", column.runtime));
                    failures.push(format!("{}: {reason}", column.runtime));
                }
            }
        }
    }

    /// Returns how long a child may wait for two CPUs to be there.
    fn patience(&self) -> Duration {
        Duration::from_millis(if self.args.quick { 200 } else { 3_000 })
    }

    fn launch(&mut self, order: Order<'_>) -> Verdict {
        let mut child = self
            .command(&order)?
            .args(order.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::Wrong(format!("the process cannot start: {error}")))?;
        let (stdout, stderr) = (read(child.stdout.take()), read(child.stderr.take()));
        let ended = self.attend(&mut child, order.procs == 2);
        let (stdout, stderr) = (text(stdout), text(stderr));
        let verdict = match ended {
            Err(reason) => return Err(Failure::Wrong(format!("{reason}; {}", stderr.trim()))),
            Ok(()) => child::parse(&stdout),
        };
        verdict.map_err(|failure| match failure {
            Failure::Wrong(reason) => Failure::Wrong(format!("{reason}; {}", stderr.trim())),
            skip => skip,
        })
    }

    fn command(&self, order: &Order<'_>) -> Result<Command, Failure> {
        let itself = std::env::current_exe()?;
        let mut command = match &self.peers.go {
            Some(program) if order.runtime == go::NAME => Command::new(program),
            _ => Command::new(&itself),
        };
        command
            .env(smol::THREADS_VARIABLE, order.procs.to_string())
            .env("GOMAXPROCS", order.procs.to_string())
            .env(load::METHOD_VARIABLE, self.load)
            .env(load::PROGRAM_VARIABLE, itself);
        Ok(command)
    }

    /// Waits for the child to end; pins its threads meanwhile.
    fn attend(&mut self, child: &mut Child, pin: bool) -> Result<(), String> {
        let start = Instant::now();
        let mut pinner = Pinner::new(child.id());
        let mut looks = LOOKS.iter().filter(|_| pin).peekable();
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) if status.code() == Some(1) => return Ok(()),
                Ok(Some(status)) => return Err(format!("the process ended with {status}")),
                Ok(None) if start.elapsed() < PATIENCE => {}
                Ok(None) => return Err(kill(child)),
                Err(error) => return Err(format!("the process cannot be waited for: {error}")),
            }
            if looks.next_if(|look| start.elapsed() >= **look).is_some() {
                pinner.look();
            }
            self.progress.tick();
            thread::sleep(POLL);
        }
    }
}

fn kill(child: &mut Child) -> String {
    // Both fail only if it has ended by itself meanwhile, and then it was too late all the same.
    let _ = child.kill();
    let _ = child.wait();
    format!(
        "the process did not end within {} s and was killed",
        PATIENCE.as_secs()
    )
}

/// Reads a pipe to its end on a thread of its own, so that a talkative child never blocks.
fn read(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What could not be read is missing from the verdict, and that is reported.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn text(reader: JoinHandle<String>) -> String {
    reader.join().unwrap_or_default()
}
