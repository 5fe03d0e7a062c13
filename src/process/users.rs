//! Owns who a child runs as: users and groups by name or number, from the text of `/etc/passwd` and `/etc/group`. Never asks
//! a name service: every way to one goes through the C library's plug-ins, which a static binary does not have.

use std::fs;
use std::io;

use rustix::process::{getegid, geteuid};

/// The ids of a child that runs as another user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
}

/// Why a user cannot be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// No such user.
    #[error(
        "cannot run as {user}: no such user in /etc/passwd; add it to the image, or name it by its number"
    )]
    NoUser {
        /// The name.
        user: String,
    },
    /// No such group.
    #[error(
        "cannot run as group {group}: no such group in /etc/group; add it to the image, or name it by its number"
    )]
    NoGroup {
        /// The name.
        group: String,
    },
    /// A number is no id: −1 means "unchanged" to the kernel.
    #[error("cannot run as {name}: no user or group has this number")]
    NoId {
        /// The number.
        name: String,
    },
}

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// Finds the ids of a user, by name or number, and of its groups. Missing files are empty ones, as in a `scratch` image.
pub fn find(user: &str, group: Option<&str>) -> Result<Ids, UserError> {
    let read = |path| fs::read(path).unwrap_or_default();
    find_in(
        user,
        group,
        &String::from_utf8_lossy(&read(PASSWD)),
        &String::from_utf8_lossy(&read(GROUP)),
    )
}

/// The same in these texts.
fn find_in(user: &str, group: Option<&str>, passwd: &str, groups: &str) -> Result<Ids, UserError> {
    let number = number(user)?;
    let entry = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid: u32 = fields.nth(1)?.parse().ok()?;
        let gid: u32 = fields.next()?.parse().ok()?;
        // A name may look like a number; the name wins, as for chown.
        let is_it = name == user || number == Some(uid) && !has_name(passwd, user);
        is_it.then(|| (name.to_owned(), uid, gid))
    });
    let (name, uid, own_gid) = match (entry, number) {
        (Some(entry), _) => entry,
        // A number needs no entry, as in OpenShift; its group is the one that Kubernetes gives such users.
        (None, Some(uid)) => (String::new(), uid, 0),
        (None, None) => {
            return Err(UserError::NoUser {
                user: user.to_owned(),
            });
        }
    };
    let gid = match group {
        None => own_gid,
        Some(group) => find_group(group, groups)?,
    };
    let mut all = vec![gid];
    if !name.is_empty() {
        all.extend(groups_of(&name, groups));
        all.push(own_gid);
    }
    all.sort_unstable();
    all.dedup();
    Ok(Ids {
        uid,
        gid,
        groups: all,
    })
}

fn has_name(passwd: &str, name: &str) -> bool {
    passwd
        .lines()
        .any(|line| line.split(':').next() == Some(name))
}

fn find_group(group: &str, groups: &str) -> Result<u32, UserError> {
    let named = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == group).then(|| fields.nth(1)?.parse().ok())?
    });
    match (named, number(group)?) {
        (Some(gid), _) | (None, Some(gid)) => Ok(gid),
        (None, None) => Err(UserError::NoGroup {
            group: group.to_owned(),
        }),
    }
}

/// Groups that list the user as a member.
fn groups_of(user: &str, groups: &str) -> impl Iterator<Item = u32> {
    groups.lines().filter_map(move |line| {
        let mut fields = line.split(':').skip(2);
        let gid = fields.next()?.parse().ok()?;
        let is_member = fields
            .next()?
            .split(',')
            .any(|member| member.trim() == user);
        is_member.then_some(gid)
    })
}

/// The id that a text is, if it is a number.
fn number(text: &str) -> Result<Option<u32>, UserError> {
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
        return Ok(None);
    }
    let id = text.parse::<u32>().ok().filter(|id| *id != u32::MAX);
    id.map(Some).ok_or_else(|| UserError::NoId {
        name: text.to_owned(),
    })
}

/// Whether we are that user already.
pub fn is_self(ids: &Ids) -> bool {
    geteuid().as_raw() == ids.uid && getegid().as_raw() == ids.gid
}

/// Capabilities that are needed to run a child as somebody else: CHOWN, SETGID, SETUID, by their numbers in
/// `linux/capability.h`.
const NEEDED: [u32; 3] = [0, 6, 7];

/// Whether we may run children as somebody else: by the effective capabilities, since uid 0 without them may not.
pub fn may_switch() -> io::Result<bool> {
    let status = fs::read_to_string("/proc/self/status")?;
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default();
    Ok(NEEDED
        .iter()
        .all(|capability| effective & (1 << capability) != 0))
}

/// Makes the calling thread this user for good. For a thread that ends with the spawn.
pub(super) fn become_user(ids: &Ids) -> io::Result<()> {
    use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    let groups: Vec<Gid> = ids.groups.iter().copied().map(Gid::from_raw).collect();
    let (uid, gid) = (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid));
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# odd\nhab:x:42:42::/:/bin/false\n\nbroken:x:a:b\nnobody:x:65534:65534\n1000:x:7:8::/:\n";
    const GROUP: &str =
        "root:x:0:\ntty:x:5:hab, nobody\nhab:x:42:\ndata:x:24:nobody,hab\nbad:x:z:hab\nshort:x\n";

    fn found(user: &str, group: Option<&str>) -> Result<(u32, u32, Vec<u32>), UserError> {
        find_in(user, group, PASSWD, GROUP).map(|ids| (ids.uid, ids.gid, ids.groups))
    }

    #[test]
    fn a_user_has_its_own_group_and_those_that_list_it() {
        assert_eq!(found("hab", None), Ok((42, 42, vec![5, 24, 42])));
        assert_eq!(found("hab", Some("tty")), Ok((42, 5, vec![5, 24, 42])));
        assert_eq!(found("root", None), Ok((0, 0, vec![0])));
    }

    #[test]
    fn numbers_need_no_entry_and_use_the_one_there_is() {
        assert_eq!(found("65534", None), Ok((65534, 65534, vec![5, 24, 65534])));
        assert_eq!(found("1234", None), Ok((1234, 0, vec![0])));
        assert_eq!(found("1234", Some("99")), Ok((1234, 99, vec![99])));
        assert_eq!(
            found("1000", None),
            Ok((7, 8, vec![8])),
            "a name that looks like a number"
        );
    }

    #[test]
    fn what_is_not_there_is_named() {
        assert!(matches!(
            found("broken", None),
            Err(UserError::NoUser { .. })
        ));
        assert!(matches!(
            found("hab", Some("bad")),
            Err(UserError::NoGroup { .. })
        ));
        assert!(matches!(
            found("4294967295", None),
            Err(UserError::NoId { .. })
        ));
        assert!(matches!(
            found("99999999999", None),
            Err(UserError::NoId { .. })
        ));
        assert_eq!(
            found("redis", None).expect_err("no user").to_string(),
            "cannot run as redis: no such user in /etc/passwd; add it to the image, or name it by its number"
        );
        assert!(matches!(
            find_in("hab", None, "", ""),
            Err(UserError::NoUser { .. })
        ));
    }
}
