//! Owns the loop that holds the parts together while the service lives: it renders what the view says, executes the life
//! cycle's commands and feeds what happened back. Decides nothing that `revision`, `plan` or `lifecycle` can decide.

mod accept;
mod jobs;
mod lead;
mod local;
mod policy;
mod probe;
mod record;
mod suitability;
pub mod termination;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::Settings;
use crate::config::supervision::Rewritten;
use crate::lifecycle::election::Leaving;
use crate::lifecycle::settle::Settle;
use crate::lifecycle::status::Phase;
use crate::lifecycle::suitability::SuitabilityHook;
use crate::lifecycle::{Command, Drained, Event, Job, Lifecycle, Notice, Now};
use crate::package::Package;
use crate::process::{Processes, Signal, Signals};
use crate::snapshot::{Paths, Snapshot};
use crate::world::{BoundLeader, Departing, View};
use accept::Accepted;
use jobs::{Jobs, Outcome};
pub use lead::Election;
use lead::{Duty, Lead};
use local::Local;
pub use local::lay_once;
use policy::{policy, stop_signals};
use record::Recorder;
pub use record::Reports;

/// The package as its directory has it now, or why it cannot be read.
pub type Base = Result<Arc<Package>, Vec<String>>;

/// What the supervisor needs from the others.
#[derive(Debug)]
pub struct Dependencies {
    /// What is observed.
    pub views: watch::Receiver<Arc<View>>,
    /// Whether templates read who leads what is bound, so that this is observed.
    pub reads_leaders: watch::Sender<bool>,
    /// The package directory.
    pub base: watch::Receiver<Base>,
    /// Where readers look.
    pub snapshots: watch::Sender<Snapshot>,
    /// Where what happens is reported.
    pub reports: Reports,
    /// Children.
    pub processes: Processes,
    /// Signals to kubesup.
    pub signals: Signals,
    /// Settings until the own Pod is known.
    pub settings: Settings,
    /// Where HTTP listens.
    pub http: Option<std::net::SocketAddr>,
    /// Environment of hooks and of the main process besides the inherited one.
    pub environment: Vec<(String, String)>,
    /// The environment of kubesup, where configuration layers may be.
    pub variables: BTreeMap<String, String>,
    /// Who watches the own Pod's endpoints at a stop; `None` where nothing drains.
    pub drains: Option<mpsc::Sender<DrainRequest>>,
    /// The election of a leader.
    pub election: Election,
    /// Cancelled when no change of a file means anything any more.
    pub enough: CancellationToken,
    /// Ends the loop from outside, when another part has failed: as a TERM.
    pub shutdown: CancellationToken,
}

/// Asks what becomes of the own Pod's endpoints. Nobody waits any more when `answer` is closed.
#[derive(Debug)]
pub struct DrainRequest {
    /// The own Pod's UID.
    pub uid: String,
    /// Where to say so.
    pub answer: oneshot::Sender<Drained>,
}

/// Runs the service until it has ended. The exit code of kubesup.
pub async fn run(dependencies: Dependencies) -> i32 {
    Supervisor::new(dependencies).run().await
}

struct Supervisor {
    views: watch::Receiver<Arc<View>>,
    reads_leaders: watch::Sender<bool>,
    base: watch::Receiver<Base>,
    snapshots: watch::Sender<Snapshot>,
    signals: Signals,
    enough: CancellationToken,
    shutdown: CancellationToken,
    start: Instant,
    lifecycle: Lifecycle,
    settle: Settle,
    accepted: Accepted,
    local: Local,
    jobs: Jobs,
    recorder: Recorder,
    departing: Option<Departing>,
    exit_code: Option<i32>,
    drains: Option<mpsc::Sender<DrainRequest>>,
    /// The answer that a drain waits for.
    draining: Option<oneshot::Receiver<Drained>>,
    lead: Lead,
    suitability: SuitabilityHook,
    /// The life cycle has been given a rendering.
    begun: bool,
    /// A stop signal that waits until the lead is handed over, at most until then.
    held: Option<(i32, Duration)>,
}

/// How long the last output may take to leave.
const FLUSH: Duration = Duration::from_millis(250);
/// TERM, for an end that another part asks for.
const TERM: i32 = 15;

impl Supervisor {
    fn new(dependencies: Dependencies) -> Self {
        let Dependencies {
            views,
            reads_leaders,
            base,
            snapshots,
            reports,
            processes,
            signals,
            settings,
            http,
            environment,
            variables,
            drains,
            election,
            enough,
            shutdown,
        } = dependencies;
        let policy = policy(&settings, None, None);
        Supervisor {
            views,
            reads_leaders,
            base,
            snapshots,
            signals,
            enough,
            shutdown,
            start: Instant::now(),
            lifecycle: Lifecycle::new(policy),
            settle: Settle::default(),
            accepted: Accepted::new(settings, http),
            local: Local::new(variables),
            jobs: Jobs::new(processes, environment),
            recorder: Recorder::new(reports),
            departing: None,
            exit_code: None,
            drains,
            draining: None,
            lead: Lead::new(election),
            suitability: SuitabilityHook::default(),
            begun: false,
            held: None,
        }
    }

    async fn run(mut self) -> i32 {
        self.settle.changed(Duration::ZERO);
        let mut looked = false;
        loop {
            // Before anything else: whoever was stopped may have lost the lead meanwhile.
            self.look_at_the_lead();
            self.let_go_of_files();
            if let Some(code) = self.exit_code {
                // A reader of ours that is stuck must not hold up the end.
                let _ = tokio::time::timeout(FLUSH, self.jobs.flush()).await;
                self.lead.release(&self.lifecycle.status()).await;
                return code;
            }
            let deadline = self.next_deadline();
            if deadline.is_some_and(|at| at <= self.now().mono) && !looked {
                // Not through the timer, which rounds up to a whole millisecond; and not twice in a row, so that signals
                // and exits have their turn whatever is due.
                looked = true;
                self.on_time();
                self.publish();
                continue;
            }
            looked = false;
            let stops = !self.lifecycle.is_stopping() && self.held.is_none();
            let woken = tokio::select! {
                Some((job, outcome)) = self.jobs.running.next() => Woken::Ended(job, outcome),
                Some(()) = self.jobs.late_output.next() => Woken::Told,
                Ok(drained) = answer(&mut self.draining) => Woken::Drained(drained),
                signal = self.signals.recv() => Woken::Signal(signal),
                changed = self.views.changed() => {
                    if changed.is_ok() { Woken::View } else { Woken::NoMoreViews }
                }
                Ok(()) = self.base.changed() => Woken::Files,
                () = self.local.changed() => Woken::Files,
                () = self.lead.changed() => Woken::Told,
                () = self.shutdown.cancelled(), if stops => Woken::Shutdown,
                () = tokio::task::yield_now(), if self.jobs.reap_more => Woken::Reap,
                () = sleep_until(self.start, deadline) => Woken::Time,
            };
            // Here again: what has woken us may have waited as long as we stood still.
            self.look_at_the_lead();
            if self.on(woken) == Heard::Something {
                self.publish();
            }
        }
    }

    fn on(&mut self, woken: Woken) -> Heard {
        match woken {
            Woken::Ended(job, outcome) => self.on_end(job, outcome),
            Woken::Drained(drained) => self.feed(Event::Drained(drained)),
            Woken::Signal(signal) => return self.on_signal(signal),
            Woken::View => self.on_view(),
            Woken::NoMoreViews => self.shutdown.cancel(),
            Woken::Files => self.settle.changed(self.now().mono),
            Woken::Shutdown => self.stop(TERM),
            Woken::Reap => return self.reap(),
            Woken::Time => self.on_time(),
            Woken::Told => {}
        }
        Heard::Something
    }

    fn now(&self) -> Now {
        let wall = jiff::Timestamp::now().as_second();
        Now {
            mono: self.start.elapsed(),
            wall: u64::try_from(wall).unwrap_or_default(),
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.render_deadline()
            .into_iter()
            .chain(self.lifecycle.next_deadline())
            .chain(self.held.map(|(_, until)| until))
            .chain(self.suitability.next_deadline())
            .chain(self.lead.next_look().map(|pause| self.now().mono + pause))
            .min()
    }

    fn render_deadline(&self) -> Option<Duration> {
        if self.lifecycle.is_ending() {
            return None;
        }
        let settings = self.accepted.settings();
        // The first complete view is rendered at once.
        let due = if self.accepted.is_first() {
            self.settle.due(Duration::ZERO, Duration::ZERO)
        } else {
            self.settle.due(settings.settle_quiet, settings.settle_max)
        };
        due.into_iter().chain(self.accepted.retry_at()).min()
    }

    fn on_time(&mut self) {
        let now = self.now().mono;
        if self.render_deadline().is_some_and(|at| at <= now) {
            self.render();
        }
        self.assess();
        self.feed(Event::Tick);
    }

    fn on_view(&mut self) {
        let view = self.views.borrow_and_update().clone();
        self.settle.changed(self.now().mono);
        if let Some(departing) = view.departing {
            self.on_departing(departing);
        }
    }

    /// A Pod may be deleted again, with less grace, and it may be gone at last.
    fn on_departing(&mut self, departing: Departing) {
        if self.departing == Some(departing) {
            return;
        }
        if self.departing.is_none() {
            info!(
                ?departing,
                "the own Pod is being deleted; nothing is restarted any more"
            );
            self.lead.leaving = Some(match departing {
                Departing::Deleted { .. } => Leaving::Stopping,
                Departing::Gone => Leaving::Gone,
            });
            self.end_suitability();
        } else if departing == Departing::Gone {
            info!("the own Pod is gone");
            self.lead.leaving = Some(Leaving::Gone);
        }
        self.departing = Some(departing);
        let grace = match departing {
            Departing::Deleted { grace_seconds } => {
                Duration::from_secs(u64::try_from(grace_seconds).unwrap_or_default())
            }
            Departing::Gone => self.lifecycle.grace(),
        };
        self.feed(Event::Deleted { grace });
    }

    fn on_signal(&mut self, signal: Signal) -> Heard {
        match signal {
            Signal::Child => return self.reap(),
            Signal::Hangup if self.rewritten(HUP) != Rewritten::Same => self.forward(HUP),
            Signal::Hangup => {
                info!("HUP: rendering anew");
                self.accepted.forget_files();
                self.local.read_again();
                self.render();
            }
            Signal::Stop(signal) if self.rewritten(signal) == Rewritten::Dropped => {
                info!(signal, "stop signal; dropped, as rewrite-signal says");
            }
            Signal::Stop(signal) => {
                info!(signal, "stop signal");
                self.stop(signal);
            }
            Signal::Forward(signal) => self.forward(signal),
        }
        Heard::Something
    }

    fn rewritten(&self, signal: i32) -> Rewritten {
        self.accepted.settings().rewrite_signal.of(signal)
    }

    /// Passes a signal on to the main process, as the settings rewrite it.
    fn forward(&self, signal: i32) {
        match self.rewritten(signal) {
            Rewritten::Same => self.jobs.forward(signal),
            Rewritten::To(other) => self.jobs.forward(other),
            Rewritten::Dropped => {}
        }
    }

    /// What readers see does not change because somebody's orphan has ended: a storm of them is not published one by one.
    fn reap(&mut self) -> Heard {
        self.jobs.reap();
        self.recorder
            .orphans_reaped(self.jobs.processes.orphans_reaped());
        match self.jobs.look_again() {
            Some(event) => {
                self.feed(event);
                Heard::Something
            }
            None => Heard::Nothing,
        }
    }

    fn on_end(&mut self, job: Job, outcome: Outcome) {
        if job == Job::Suitability {
            return self.suitability_ended(outcome);
        }
        let event = self.jobs.ended(job, outcome, &self.accepted);
        if let Event::Ended {
            job: Job::Main,
            code,
            ..
        } = event
            && self.accepted.settings().tty
            && let Some(signal) = INTERRUPTS.into_iter().find(|signal| 128 + signal == code)
        {
            // On a terminal ctrl-C goes to the program alone; who presses it wants all of it to end.
            self.stop(signal);
        }
        self.feed(event);
    }

    /// Nothing is rendered any more in an end, nor after what runs once was rendered: then nobody needs to hear about files,
    /// and the kernel has the time until our end to give up the watches.
    fn let_go_of_files(&mut self) {
        if self.renders_no_more() && !self.enough.is_cancelled() {
            self.enough.cancel();
            self.local.unfollow();
        }
    }

    fn renders_no_more(&self) -> bool {
        let is_over = self.accepted.settings().once && !self.accepted.is_first();
        self.lifecycle.is_ending() || is_over
    }

    /// Renders the newest view and tells the life cycle, when there is something new that can be accepted.
    fn render(&mut self) {
        self.settle.done();
        if self.renders_no_more() {
            return;
        }
        let view = self.views.borrow().clone();
        if self.accepted.pin(&view) {
            self.local.follow(user_toml(self.accepted.settings()));
            if let Some(world) = &view.world {
                self.lead.stand(self.accepted.settings(), &world.pod);
            }
        }
        let led = self.lead.shown.is_led_by_me();
        let view = self.with_election(view);
        let begins = !led && self.lead.shown.is_led_by_me();
        let base = self
            .local
            .lay(&self.base.borrow(), &self.accepted.settings().name);
        if self.accepted.is_first()
            && let Err(problems) = self.accepted.refuse_binds(&base)
        {
            for problem in &problems {
                error!("cannot start: {problem}");
            }
            let text = format!("{}\n", problems.join("\n"));
            termination::write(&self.accepted.settings().termination_log, &text);
            self.exit_code = Some(EX_USAGE);
            return;
        }
        if self.waits_for_leaders(&view, &base) {
            return;
        }
        let now = self.now();
        let before = Arc::clone(self.accepted.on_disk());
        let events = self.accepted.render(&view, &base, now.mono);
        let took = self.now().mono.saturating_sub(now.mono);
        self.recorder
            .tried(&view, &base, &before, &self.accepted, took, now);
        if events.is_empty() {
            return;
        }
        if let Some(service) = self.accepted.service() {
            let pod = &service.world.pod;
            let mut policy = policy(&service.settings, Some(pod), Some(&service.package));
            policy.drain = policy.drain.filter(|_| self.drains.is_some());
            self.signals
                .also_stop_at(stop_signals(&service.settings, pod));
            self.lifecycle.set_policy(policy);
        }
        self.lead.rendered = true;
        self.suitability_rendered();
        if self.lead.waits() {
            return;
        }
        if !std::mem::replace(&mut self.begun, true) && self.accepted.is_installed() {
            self.lifecycle.set_installed();
        }
        for event in events {
            // One member of a group begins to lead: no restart has to be spread, and whoever waits for it should not.
            self.feed(match event {
                Event::Rendered { files, .. } if begins => Event::Rendered { files, members: 1 },
                other => other,
            });
        }
    }

    /// Has it observed who leads what is bound, while templates read that. Whether they would be rendered with less than
    /// will be known in a moment, when the next view comes.
    fn waits_for_leaders(&mut self, view: &View, base: &Base) -> bool {
        let Some(world) = view.world.as_ref().filter(|world| !world.binds.is_empty()) else {
            return false;
        };
        let Some(read) = self.accepted.reads_leaders(world, base) else {
            return false;
        };
        self.reads_leaders
            .send_if_modified(|known| std::mem::replace(known, read) != read);
        read && world
            .binds
            .values()
            .any(|group| group.leader == BoundLeader::NotRead)
    }

    /// Feeds one event, executes what it asks for, and feeds back what that leads to.
    fn feed(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            if let Event::Ended {
                job: Job::Install,
                code,
                ..
            } = &event
            {
                self.accepted.note_install(*code);
            }
            let now = self.now();
            let commands = self.lifecycle.step(event.clone(), now);
            self.recorder.stepped(&event, &commands, now);
            for command in commands {
                match command {
                    Command::Start(job) => events.extend(self.jobs.start(job, &self.accepted)),
                    Command::Signal { job, signal } => self.jobs.stop(job, signal),
                    Command::Kill(job) => self.jobs.kill(job),
                    Command::Drain => events.extend(self.begin_drain()),
                    Command::EndDrain => self.draining = None,
                    Command::Sweep { told, others } => {
                        if others.is_some() {
                            self.end_suitability();
                        }
                        events.extend(self.jobs.begin_sweep(told, others));
                    }
                    Command::KillRest => self.jobs.kill_rest(),
                    Command::Tell(notice) => {
                        if matches!(notice, Notice::Failed { .. } | Notice::FailedToStart { .. }) {
                            self.lead.failures += 1;
                        }
                        tell(&notice);
                    }
                    Command::Finish { code } => self.finish(code),
                }
            }
        }
    }

    /// A stop. A lead is given up first, while the program goes on; who asks twice does not want to wait for that.
    fn stop(&mut self, signal: i32) {
        self.lead.leaving.get_or_insert(Leaving::Stopping);
        self.end_suitability();
        let first = self.held.is_none() && !self.lifecycle.is_stopping();
        if first && self.lead.is_involved() {
            info!("giving up the lead before the stop");
            self.held = Some((signal, self.now().mono + self.lead.longest_handover()));
            self.feed(Event::StopHeld);
        } else {
            self.held = None;
            self.feed(Event::Stop { signal });
        }
    }

    /// Does what the lead asks for, and what waited for its end.
    fn look_at_the_lead(&mut self) {
        let duty = self.lead.duty();
        // Readers see what was done here before the next event, which may be long in coming.
        let mut acted = duty != Duty::Nothing;
        match duty {
            Duty::Nothing => {}
            Duty::Demote(term) => self.demote(term),
            Duty::Kill(term) => {
                if self.lead.ending.is_none() {
                    self.demote(term);
                }
                warn!(
                    term,
                    "the program did not give up the lead in time; killing it"
                );
                self.feed(Event::KillProgram);
            }
        }
        if self.lead.ending.is_some() && (!self.begun || self.lifecycle.has_taken_over()) {
            self.lead.ended();
            self.publish();
        }
        let election = self.lead.election();
        if self.lead.stands() && self.lead.shown != election && self.lead.ending.is_none() {
            let at_once = !self.begun || election.is_led_by_me();
            if at_once && !self.accepted.is_first() {
                self.render();
                acted = true;
            } else if self.settle.due(Duration::ZERO, Duration::ZERO).is_none() {
                self.settle.changed(self.now().mono);
            }
        }
        if acted {
            self.publish();
        }
        if let Some((signal, until)) = self.held
            && (!self.lead.is_involved() || until <= self.now().mono)
        {
            self.held = None;
            self.feed(Event::Stop { signal });
            self.publish();
        }
    }

    /// The world as it was accepted last, but for the lead, is rendered and its reaction begun.
    fn demote(&mut self, term: u64) {
        self.lead.ending = Some(term);
        self.recorder.lead_ends(self.lead.why(term));
        let Some(service) = self.accepted.service() else {
            return;
        };
        let mut view = View::clone(&self.views.borrow());
        view.world = Some(Arc::clone(&service.world));
        let view = self.with_election(Arc::new(view));
        let base = self
            .local
            .lay(&self.base.borrow(), &self.accepted.settings().name);
        let now = self.now();
        let before = Arc::clone(self.accepted.on_disk());
        let events = self.accepted.render(&view, &base, now.mono);
        let took = self.now().mono.saturating_sub(now.mono);
        self.recorder
            .tried(&view, &base, &before, &self.accepted, took, now);
        if !self.begun {
            return;
        }
        let mut rendered = false;
        for event in events {
            if let Event::Rendered { files, .. } = event {
                rendered = true;
                self.feed(Event::Demote { files });
            }
        }
        if !rendered {
            // With these files the program would lead again: only an end is safe.
            error!(
                term,
                "what the program needs to give up the lead does not render; killing it and ending"
            );
            self.feed(Event::KillProgram);
            self.feed(Event::Stop { signal: TERM });
        }
    }

    /// The view with the election as it is now.
    fn with_election(&mut self, view: Arc<View>) -> Arc<View> {
        if !self.lead.stands() {
            return view;
        }
        self.lead.shown = self.lead.election();
        let world = view.world.as_ref().map(|world| self.lead.join(world));
        Arc::new(View {
            world,
            ..View::clone(&view)
        })
    }

    /// The leader of the rendering that the program runs with; `None` while it does not, or has not taken it over yet.
    fn led_by(&self) -> Option<&crate::world::Leader> {
        let runs = matches!(
            self.lifecycle.status().phase,
            Phase::Running | Phase::Draining
        );
        let service = self.accepted.service()?;
        let leader = service.world.election.leader.as_ref();
        leader.filter(|_| runs && self.lifecycle.has_taken_over())
    }

    /// Has the own endpoints watched. Without anybody who could there is nothing to wait for.
    fn begin_drain(&mut self) -> Option<Event> {
        let nothing = Some(Event::Drained(Drained::InNoService));
        let (Some(drains), Some(service)) = (&self.drains, self.accepted.service()) else {
            return nothing;
        };
        let (answer, draining) = oneshot::channel();
        let uid = service.world.pod.uid.clone();
        if drains.try_send(DrainRequest { uid, answer }).is_err() {
            return nothing;
        }
        self.draining = Some(draining);
        None
    }

    /// Nothing runs any more.
    fn finish(&mut self, own_code: i32) {
        let settings = self.accepted.settings();
        let code = settings.remap_exit.apply(own_code);
        if let Some(text) = termination::report(&self.lifecycle.status(), own_code, code) {
            termination::write(&settings.termination_log, &text);
        }
        self.exit_code = Some(code);
    }

    fn publish(&self) {
        self.lead.label(self.led_by());
        self.lead.tell(&self.lifecycle.status());
        self.recorder.publish();
        let snapshot = Snapshot {
            view: self.views.borrow().clone(),
            service: self.accepted.service().cloned(),
            status: self.lifecycle.status(),
            binds: self.accepted.binds().to_vec(),
            waiting_for_binds: self.accepted.is_waiting_for_binds(),
            rejections: self.accepted.rejections().to_vec(),
            pending: self.accepted.pending(&self.views.borrow()),
        };
        self.snapshots.send_if_modified(|known| {
            let changed = !known.is_same(&snapshot);
            *known = snapshot;
            changed
        });
    }
}

/// As for every other usage error (sysexits).
const EX_USAGE: i32 = 64;

/// What the loop has waited for.
enum Woken {
    Ended(Job, Outcome),
    Drained(Drained),
    Signal(Signal),
    View,
    /// Nobody observes any more.
    NoMoreViews,
    /// The package, or the own layer.
    Files,
    Shutdown,
    Reap,
    Time,
    /// What is known by the time of its arrival.
    Told,
}

/// Whether a signal was about anything that readers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Something,
    Nothing,
}

/// HUP.
const HUP: i32 = 1;
/// What ctrl-C and ctrl-\ send: INT and QUIT.
const INTERRUPTS: [i32; 2] = [2, 3];

/// The answer that is waited for, if one is.
async fn answer(
    draining: &mut Option<oneshot::Receiver<Drained>>,
) -> Result<Drained, oneshot::error::RecvError> {
    let Some(receiver) = draining else {
        return std::future::pending().await;
    };
    let answer = receiver.await;
    *draining = None;
    answer
}

async fn sleep_until(start: Instant, deadline: Option<Duration>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(start + deadline).await,
        None => std::future::pending().await,
    }
}

fn tell(notice: &Notice) {
    match notice {
        Notice::Failed { output, .. } | Notice::FailedToStart { output, .. } => {
            warn!(last_output = ?output.join("\n"), "{notice}");
        }
        Notice::Unhealthy { .. }
        | Notice::LeftBehind
        | Notice::Killed(_)
        | Notice::TimedOut(_)
        | Notice::ReconfigureFailed { .. }
        | Notice::HookFailed { .. }
        | Notice::BudgetSpent { .. } => warn!("{notice}"),
        _ => info!("{notice}"),
    }
}

/// Where `user.toml` is: as in Habitat, unless the setting says it.
pub fn user_toml(settings: &Settings) -> PathBuf {
    let path = settings.user_toml.clone().unwrap_or_else(|| {
        let directory = settings.root.join("user").join(&settings.name);
        directory.join("config").join("user.toml")
    });
    std::path::absolute(&path).unwrap_or(path)
}

/// `<root>/svc/<name>` and where HTTP listens.
pub fn paths(settings: &Settings, http: Option<std::net::SocketAddr>) -> Paths {
    // Hooks may run elsewhere; without a working directory a relative root stays what it is.
    let root = std::path::absolute(&settings.root).unwrap_or_else(|_| settings.root.clone());
    Paths {
        svc: root.join("svc").join(&settings.name),
        root,
        http,
    }
}
