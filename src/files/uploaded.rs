//! Owns the service files in `<svc>/files`, what `hab file upload` brings in Habitat: written as one set, atomically each,
//! and only when their bytes differ. Never touches a file there that kubesup has not written.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ledger::{self, Ledger};
use super::{
    FilesError, READABLE, SERVICE_DIRECTORY, ServiceFiles, Written, atomic, service_owner,
};
use crate::package::path;

/// Where they are.
const DIRECTORY: &str = "files";
/// Of a service file, as in Habitat: it may be a secret.
const MODE: u32 = 0o640;

impl ServiceFiles {
    /// Makes the service files on disk what `files` says: content by name. On an error before the first rename the old
    /// ones are all as they were.
    pub fn write_uploaded(&mut self, files: &BTreeMap<&str, &[u8]>) -> Result<Written, FilesError> {
        let mut new = Ledger::default();
        let mut differ = Vec::new();
        for (name, content) in files {
            let at = format!("{DIRECTORY}/{name}");
            check(name)?;
            let same = self
                .tree
                .read(&at, content.len())?
                .is_some_and(|bytes| bytes == *content);
            if !same {
                differ.push((at.clone(), *name, *content));
            }
            new.add_file(&at);
        }
        // Noted before they are made, so that a crash leaves nothing that nobody owns.
        let gone: Vec<String> = self
            .uploaded
            .files()
            .filter(|at| !new.has_file(at))
            .map(str::to_owned)
            .collect();
        let mut both = new.clone();
        for at in &gone {
            both.add_file(at);
        }
        self.note_uploaded(both)?;
        if !differ.is_empty() {
            let owner = service_owner(SERVICE_DIRECTORY, self.tree.owner());
            let directory = Rc::new(self.tree.make(DIRECTORY, SERVICE_DIRECTORY, owner)?);
            let mut staged = Vec::new();
            for (at, name, content) in &differ {
                let file = atomic::stage(&directory, name, content, MODE, owner)
                    .map_err(|source| self.tree.failed("write file", at, source))?;
                staged.push((at, file));
            }
            for (at, file) in staged {
                file.commit()
                    .map_err(|source| self.tree.failed("replace file", at, source))?;
            }
        }
        for at in &gone {
            self.tree.remove(at)?;
        }
        self.note_uploaded(new)?;
        Ok(Written {
            written: differ.into_iter().map(|(at, _, _)| at).collect(),
            removed: gone,
        })
    }

    fn note_uploaded(&mut self, ledger: Ledger) -> Result<(), FilesError> {
        if ledger != self.uploaded {
            let name = ledger::UPLOADED.name;
            self.tree
                .replace(name, ledger.to_text().as_bytes(), READABLE)?;
            self.uploaded = ledger;
        }
        Ok(())
    }
}

/// Accepts plain names.
fn check(name: &str) -> Result<(), FilesError> {
    let refused = |problem| FilesError::Path {
        path: name.to_owned(),
        problem,
    };
    path::check(name).map_err(refused)?;
    if name.contains('/') {
        return Err(refused(path::PathProblem::Climbs));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::*;

    fn open(svc: &Path) -> ServiceFiles {
        ServiceFiles::open(svc.to_owned(), None).unwrap()
    }

    fn write(files: &mut ServiceFiles, pairs: &[(&str, &str)]) -> Written {
        let pairs = pairs.iter().map(|(name, text)| (*name, text.as_bytes()));
        files.write_uploaded(&pairs.collect()).unwrap()
    }

    fn names(svc: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(svc.join("files"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_differs_is_written_and_what_is_gone_is_removed_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let svc = dir.path().join("svc/demo");
        let mut files = open(&svc);
        assert_eq!(
            write(&mut files, &[("a", "1"), ("b", "1")]).written,
            ["files/a", "files/b"]
        );
        let mode = fs::metadata(svc.join("files/a"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640);
        let written = write(&mut files, &[("a", "1"), ("b", "2")]);
        assert_eq!(
            (written.written, written.removed),
            (vec!["files/b".to_owned()], vec![])
        );
        fs::write(svc.join("files/theirs"), "x").unwrap();

        let mut files = open(&svc);
        assert_eq!(write(&mut files, &[("b", "2")]).removed, ["files/a"]);
        assert_eq!(names(&svc), ["b", "theirs"], "a program's own file stays");
        assert_eq!(write(&mut files, &[]).removed, ["files/b"]);
        assert_eq!(names(&svc), ["theirs"]);
    }

    #[test]
    fn rendered_files_and_service_files_do_not_touch_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let svc = dir.path().join("svc/demo");
        let mut files = open(&svc);
        write(&mut files, &[("a", "1")]);
        let rendered = [("config/x".to_owned(), "1".to_owned())].into();
        files.write(&rendered).unwrap();
        assert_eq!(names(&svc), ["a"]);
        write(&mut files, &[]);
        assert!(svc.join("config/x").exists());
    }

    #[test]
    fn what_is_in_the_way_is_named_and_nothing_changes() {
        let dir = tempfile::tempdir().unwrap();
        let svc = dir.path().join("svc/demo");
        let mut files = open(&svc);
        write(&mut files, &[("a", "1")]);
        fs::create_dir(svc.join("files/b")).unwrap();
        let wanted = [("a", "2".as_bytes()), ("b", "2".as_bytes())].into();
        let error = files.write_uploaded(&wanted).unwrap_err().to_string();
        assert!(
            error.contains("files/b: ") && error.contains("remove the directory"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(svc.join("files/a")).unwrap(), "1");
        for name in ["..", "a/b", "/x"] {
            assert!(
                files
                    .write_uploaded(&[(name, "".as_bytes())].into())
                    .is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let svc = dir.path().join("svc/demo");
        let elsewhere = dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::create_dir_all(&svc).unwrap();
        symlink(&elsewhere, svc.join("files")).unwrap();
        let mut files = open(&svc);
        let error = files
            .write_uploaded(&[("a", "1".as_bytes())].into())
            .unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);

        // A link in the place of a file is replaced, not followed.
        let svc = dir.path().join("svc/other");
        let mut files = open(&svc);
        symlink(elsewhere.join("target"), svc.join("files/a")).unwrap();
        write(&mut files, &[("a", "1")]);
        assert!(!elsewhere.join("target").exists());
        assert_eq!(fs::read_to_string(svc.join("files/a")).unwrap(), "1");
    }
}
