//! Examples that do nothing by themselves: servers, clients that read from a terminal, programs that wait for a signal. They get what they wait for, and
//! must say what they are there to say.
//!
//! Their ports are fixed. Where one is taken by somebody else the talk is skipped.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::graft::target;
use crate::run::Outcome;

/// How long an answer may take. It comes at once, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// A talk with an example.
#[derive(Clone, Copy)]
pub(crate) struct Talk {
    suite: &'static str,
    example: &'static str,
    /// What takes part.
    pub(crate) programs: &'static [&'static str],
    port: Option<u16>,
    /// None as soon as something expected does not come.
    script: fn(&Stage) -> Option<()>,
}

const CHAT: Talk = Talk {
    suite: "smol",
    example: "chat-server",
    programs: &["chat-server", "chat-client"],
    port: Some(6000),
    script: chat,
};

const ECHO: Talk = Talk {
    suite: "smol",
    example: "tcp-server",
    programs: &["tcp-server", "tcp-client"],
    port: Some(7000),
    script: echo,
};

const SIGNAL: Talk = Talk {
    suite: "smol",
    example: "ctrl-c",
    programs: &["ctrl-c"],
    port: None,
    script: |stage| interrupt(stage.start("ctrl-c")?),
};

const TALKS: &[Talk] = &[
    CHAT,
    Talk {
        example: "chat-client",
        ..CHAT
    },
    ECHO,
    Talk {
        example: "tcp-client",
        ..ECHO
    },
    SIGNAL,
    Talk {
        example: "unix-signal",
        programs: &["unix-signal"],
        script: |stage| interrupt(stage.start("unix-signal")?),
        ..SIGNAL
    },
    Talk {
        suite: "smol",
        example: "linux-inotify",
        programs: &["linux-inotify"],
        port: None,
        script: touch,
    },
];

impl Talk {
    /// The talk with an example, if it wants one.
    pub(crate) fn with(suite: &str, example: &str) -> Option<Self> {
        let mut talks = TALKS.iter().copied();
        talks.find(|talk| talk.suite == suite && talk.example == example)
    }

    /// Runs the programs, which are built, and talks with them.
    pub(crate) fn hold(self, programs: &Path) -> Outcome {
        if let Some(port) = self.port
            && let Err(error) = TcpListener::bind(("127.0.0.1", port))
        {
            println!("{}: port {port}: {error}", self.example);
            return Outcome::Skipped;
        }
        let folder = target().join("talk");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let stage = Stage {
            programs: programs.into(),
            folder,
        };
        Outcome::from((self.script)(&stage).is_some())
    }
}

fn chat(stage: &Stage) -> Option<()> {
    let mut server = stage.start("chat-server")?;
    server.hear("Start a chat client")?;
    let mut one = stage.start("chat-client")?;
    one.hear("has joined")?;
    let mut two = stage.start("chat-client")?;
    one.hear("has joined")?;
    two.hear("has joined")?;
    two.say("hello\n")?;
    one.hear("says: hello")?;
    server.hear("says: hello")?;
    two.hang_up();
    two.hear("Quit!")?;
    two.ends()?;
    one.hear("has left")?;
    drop(server);
    one.hear("Server disconnected!")
}

fn echo(stage: &Stage) -> Option<()> {
    let mut server = stage.start("tcp-server")?;
    server.hear("Now start a TCP client")?;
    let mut client = stage.start("tcp-client")?;
    client.hear("hit enter")?;
    for word in ["ping", "pong"] {
        client.say(&format!("{word}\n"))?;
        client.hear(word)?;
    }
    server.hear("Accepted client")
}

fn interrupt(mut program: Program) -> Option<()> {
    program.hear("Waiting for Ctrl-C")?;
    program.interrupt()?;
    program.hear("Done!")?;
    program.ends()
}

fn touch(stage: &Stage) -> Option<()> {
    let mut watcher = stage.start("linux-inotify")?;
    watcher.hear("Try opening a file")?;
    fs::write(stage.folder.join("touched"), "").ok()?;
    watcher.hear("touched")
}

/// Where the programs are, and where they run.
struct Stage {
    programs: PathBuf,
    folder: PathBuf,
}

impl Stage {
    fn start(&self, name: &str) -> Option<Program> {
        let mut child = Command::new(self.programs.join(name))
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let output = BufReader::new(child.stdout.take()?);
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // Until the program ends, or nobody listens any more.
            let mut lines = output.lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        Some(Program {
            input: child.stdin.take(),
            child,
            lines,
        })
    }
}

/// A running program. Ends with this.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Program {
    /// Waits for a line with this text.
    fn hear(&mut self, text: &str) -> Option<()> {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let Ok(line) = line else {
                eprintln!("{text:?} was expected, and did not come");
                return None;
            };
            if line.contains(text) {
                return Some(());
            }
        }
    }

    fn say(&mut self, text: &str) -> Option<()> {
        self.input.as_mut()?.write_all(text.as_bytes()).ok()
    }

    /// Ends its input.
    fn hang_up(&mut self) {
        self.input = None;
    }

    fn interrupt(&self) -> Option<()> {
        kill_process(Pid::from_child(&self.child), Signal::INT).ok()
    }

    /// Waits for a good end.
    fn ends(mut self) -> Option<()> {
        self.hang_up();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(_) => {}
                // Its output is closed.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return None,
            }
        }
        self.child.wait().ok()?.success().then_some(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
