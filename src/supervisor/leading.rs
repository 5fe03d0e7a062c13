//! Owns what the supervisor does at the election's word: it renders with the lead and without, and kills a program that does
//! not give it up. Never decides who leads.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};

use super::lead::Duty;
use super::{Supervisor, TERM};
use crate::lifecycle::Event;
use crate::lifecycle::status::Phase;
use crate::world::{Leader, View};

impl Supervisor {
    /// Does what the lead asks for, and what waited for its end.
    pub(super) fn look_at_the_lead(&mut self) {
        let obeyed = self.obey();
        if self.lead.ending.is_some() && (!self.begun || self.lifecycle.has_taken_over()) {
            self.lead.ended();
            self.publish();
        }
        let rendered = self.follow_the_election();
        if obeyed || rendered {
            // Readers see what was done here before the next event, which may be long in coming.
            self.publish();
        }
        self.end_hold();
    }

    /// Does what the lead demands of the program. Whether that was anything.
    fn obey(&mut self) -> bool {
        match self.lead.duty() {
            Duty::Nothing => return false,
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
        true
    }

    /// Renders an election that templates have not seen yet, or has it rendered soon. Whether it was rendered at once.
    fn follow_the_election(&mut self) -> bool {
        let election = self.lead.election();
        if !self.lead.stands() || self.lead.shown == election || self.lead.ending.is_some() {
            return false;
        }
        let at_once = !self.begun || election.is_led_by_me();
        if at_once && !self.accepted.is_first() {
            self.render();
            return true;
        }
        if self.settle.due(Duration::ZERO, Duration::ZERO).is_none() {
            self.settle.changed(self.now().mono);
        }
        false
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
        let base = self.layered_base();
        let events = self.attempt(&view, &base);
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
    pub(super) fn with_election(&mut self, view: Arc<View>) -> Arc<View> {
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
    pub(super) fn led_by(&self) -> Option<&Leader> {
        let runs = matches!(
            self.lifecycle.status().phase,
            Phase::Running | Phase::Draining
        );
        let service = self.accepted.service()?;
        let leader = service.world.election.leader.as_ref();
        leader.filter(|_| runs && self.lifecycle.has_taken_over())
    }
}
