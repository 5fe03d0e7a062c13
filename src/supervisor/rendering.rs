//! Owns when the newest view is rendered, and what becomes of a rendering: the life cycle hears of it once it is on disk.
//! Never renders itself, and never decides what a change means.

use std::sync::Arc;
use std::time::Duration;

use tracing::error;

use super::places::user_toml;
use super::policy::{policy, stop_signals};
use super::{Base, Supervisor, termination};
use crate::lifecycle::Event;
use crate::world::{BoundLeader, View};

/// As for every other usage error (sysexits).
const EX_USAGE: i32 = 64;

impl Supervisor {
    pub(super) fn render_deadline(&self) -> Option<Duration> {
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

    /// Nothing is rendered any more in an end, nor after what runs once was rendered: then nobody needs to hear about files,
    /// and the kernel has the time until our end to give up the watches.
    pub(super) fn let_go_of_files(&mut self) {
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
    pub(super) fn render(&mut self) {
        self.settle.done();
        if self.renders_no_more() {
            return;
        }
        let view = self.views.borrow().clone();
        self.pin(&view);
        let led = self.lead.shown.is_led_by_me();
        let view = self.with_election(view);
        let begins = !led && self.lead.shown.is_led_by_me();
        let base = self.layered_base();
        if self.accepted.is_first()
            && let Err(problems) = self.accepted.refuse_binds(&base)
        {
            return self.cannot_start(&problems);
        }
        if self.waits_for_leaders(&view, &base) {
            return;
        }
        let events = self.attempt(&view, &base);
        if events.is_empty() {
            return;
        }
        self.follow_the_policy();
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

    /// Takes the settings of this start from the first complete view, and begins what they ask for.
    fn pin(&mut self, view: &View) {
        if self.accepted.pin(view) {
            self.local.follow(user_toml(self.accepted.settings()));
            if let Some(world) = &view.world {
                self.lead.stand(self.accepted.settings(), &world.pod);
            }
        }
    }

    /// The package with this container's own layers.
    pub(super) fn layered_base(&self) -> Base {
        self.local
            .lay(&self.base.borrow(), &self.accepted.settings().name)
    }

    /// Renders a view, and records how that went. What the life cycle is to know, when it was accepted.
    pub(super) fn attempt(&mut self, view: &View, base: &Base) -> Vec<Event> {
        let now = self.now();
        let before = Arc::clone(self.accepted.on_disk());
        let events = self.accepted.render(view, base, now.mono);
        let took = self.now().mono.saturating_sub(now.mono);
        self.recorder
            .tried(view, base, &before, &self.accepted, took, now);
        events
    }

    /// Ends before the beginning: nothing mends these problems before the next start.
    fn cannot_start(&mut self, problems: &[String]) {
        for problem in problems {
            error!("cannot start: {problem}");
        }
        let text = format!("{}\n", problems.join("\n"));
        termination::write(&self.accepted.settings().termination_log, &text);
        self.exit_code = Some(EX_USAGE);
    }

    /// The life cycle goes on by what the rendering was made from.
    fn follow_the_policy(&mut self) {
        let Some(service) = self.accepted.service() else {
            return;
        };
        let pod = &service.world.pod;
        let mut policy = policy(&service.settings, Some(pod), Some(&service.package));
        policy.drain = policy.drain.filter(|_| self.drains.is_some());
        self.signals
            .also_stop_at(stop_signals(&service.settings, pod));
        self.lifecycle.set_policy(policy);
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
}
