//! A disk that loses its power: replays what a process did to a folder, and makes of any moment of it the states that
//! may be found afterwards. What was synced is there. What was not is there or not, page by page; the size of a file
//! and its data go apart; names come and go one by one until their folder is synced.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use super::notes::{Change, Note};
use crate::second_opinion::dice::Dice;

const PAGE: usize = 4096;
/// What a disk writes whole.
const SECTOR: usize = 512;
/// Where the process under test notes what was acknowledged to it.
pub const ACKNOWLEDGED: &str = "acknowledged";

/// How much of what was not synced is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it is gone.
    Everything,
    /// Nothing is: the process alone was killed.
    Nothing,
    /// This share of the pages and names is there, in percent.
    Kept(usize),
}

#[derive(Debug)]
pub struct Disk {
    nodes: Vec<Node>,
    descriptors: HashMap<i32, usize>,
    /// The last commit that was acknowledged.
    pub acknowledged: u64,
}

#[derive(Debug)]
enum Node {
    File(FileNode),
    Folder(FolderNode),
}

#[derive(Debug, Default)]
struct FileNode {
    synced: Vec<u8>,
    now: Vec<u8>,
    /// What each page has been since the last sync, the oldest first.
    pages: BTreeMap<usize, Vec<Vec<u8>>>,
    sizes: Vec<usize>,
}

#[derive(Debug, Default)]
struct FolderNode {
    synced: BTreeMap<String, usize>,
    now: BTreeMap<String, usize>,
    pending: Vec<NameChange>,
}

#[derive(Clone, Debug)]
struct NameChange {
    removed: Option<String>,
    put: Option<String>,
    node: usize,
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(removed) = &self.removed
            && names.get(removed) == Some(&self.node)
        {
            names.remove(removed);
        }
        if let Some(put) = &self.put {
            names.insert(put.clone(), self.node);
        }
    }
}

impl Disk {
    /// What lies in a folder, all of it durable.
    pub fn of(folder: &Path) -> Self {
        let mut disk = Self {
            nodes: Vec::new(),
            descriptors: HashMap::new(),
            acknowledged: 0,
        };
        disk.take_in(folder);
        disk
    }

    fn take_in(&mut self, path: &Path) -> usize {
        let node = self.nodes.len();
        if path.is_dir() {
            self.nodes.push(Node::Folder(FolderNode::default()));
            let mut names = BTreeMap::new();
            for entry in fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                names.insert(name, self.take_in(&entry.path()));
            }
            let folder = self.folder(node);
            (folder.synced, folder.now) = (names.clone(), names);
        } else {
            let bytes = fs::read(path).unwrap_or_default();
            self.nodes.push(Node::File(FileNode {
                synced: bytes.clone(),
                now: bytes,
                ..FileNode::default()
            }));
        }
        node
    }

    pub fn apply(&mut self, note: &Note) {
        match &note.change {
            Change::Open {
                path,
                created,
                truncated,
            } => {
                if *created {
                    let node = self.add(Node::File(FileNode::default()));
                    self.change_name(path, |name| NameChange {
                        removed: None,
                        put: Some(name),
                        node,
                    });
                }
                let node = self.find(path);
                self.descriptors.insert(note.descriptor, node);
                if *truncated {
                    self.file(note.descriptor).cut(0);
                }
            }
            Change::Copy { of } => {
                let node = self.descriptors[of];
                self.descriptors.insert(note.descriptor, node);
            }
            Change::Write { at, data } => {
                let node = self.descriptors[&note.descriptor];
                if self.folder(0).now.get(ACKNOWLEDGED) == Some(&node) {
                    let text = std::str::from_utf8(data).unwrap();
                    self.acknowledged = text.trim().parse().unwrap();
                }
                self.file(note.descriptor).write(*at, data);
            }
            Change::Truncate { length } => self.file(note.descriptor).cut(*length),
            Change::Sync => {
                let node = self.descriptors[&note.descriptor];
                match &mut self.nodes[node] {
                    Node::File(file) => file.sync(),
                    Node::Folder(folder) => {
                        folder.synced = folder.now.clone();
                        folder.pending.clear();
                    }
                }
            }
            Change::Rename { from, to } => {
                let node = self.find(from);
                let (from, to) = (split(from), split(to));
                assert_eq!(from.0, to.0, "a rename from folder to folder");
                let removed = Some(from.1.to_owned());
                self.change_name(&format!("{}/{}", to.0, to.1), |name| NameChange {
                    removed,
                    put: Some(name),
                    node,
                });
            }
            Change::Link { from, to } => {
                let node = self.find(from);
                self.change_name(to, |name| NameChange {
                    removed: None,
                    put: Some(name),
                    node,
                });
            }
            Change::Remove { path } => {
                let node = self.find(path);
                self.change_name(path, |name| NameChange {
                    removed: Some(name),
                    put: None,
                    node,
                });
            }
            Change::Fault { .. } => {}
            Change::MakeFolder { path } => {
                let node = self.add(Node::Folder(FolderNode::default()));
                self.change_name(path, |name| NameChange {
                    removed: None,
                    put: Some(name),
                    node,
                });
            }
        }
    }

    /// Writes a state that may be found at this moment into an empty folder.
    pub fn write_state(&self, into: &Path, loss: Loss, dice: &mut Dice) {
        self.write_node(0, into, loss, dice);
    }

    fn write_node(&self, node: usize, path: &Path, loss: Loss, dice: &mut Dice) {
        match &self.nodes[node] {
            Node::File(file) => fs::write(path, file.found(loss, dice)).unwrap(),
            Node::Folder(folder) => {
                if !path.is_dir() {
                    fs::create_dir(path).unwrap();
                }
                for (name, node) in folder.found(loss, dice) {
                    self.write_node(node, &path.join(name), loss, dice);
                }
            }
        }
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn change_name(&mut self, path: &str, change: impl FnOnce(String) -> NameChange) {
        let (folder, name) = split(path);
        let folder = self.find(folder);
        let folder = self.folder(folder);
        let change = change(name.to_owned());
        change.apply(&mut folder.now);
        folder.pending.push(change);
    }

    fn find(&self, path: &str) -> usize {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.fold(0, |node, name| match &self.nodes[node] {
            Node::Folder(folder) => *folder
                .now
                .get(name)
                .unwrap_or_else(|| panic!("{path} is not there")),
            Node::File(_) => panic!("{path}: a file on the way"),
        })
    }

    fn folder(&mut self, node: usize) -> &mut FolderNode {
        match &mut self.nodes[node] {
            Node::Folder(folder) => folder,
            Node::File(_) => panic!("a file in a folder's place"),
        }
    }

    fn file(&mut self, descriptor: i32) -> &mut FileNode {
        match &mut self.nodes[self.descriptors[&descriptor]] {
            Node::File(file) => file,
            Node::Folder(_) => panic!("a folder in a file's place"),
        }
    }
}

impl FileNode {
    fn write(&mut self, at: usize, data: &[u8]) {
        let end = at + data.len();
        if end > self.now.len() {
            self.now.resize(end, 0);
            self.sizes.push(end);
        }
        self.now[at..end].copy_from_slice(data);
        self.note_pages(at, end);
    }

    fn cut(&mut self, length: usize) {
        let end = self.now.len().max(length);
        self.now.truncate(length);
        self.note_pages(length, end);
        self.now.resize(length, 0);
        self.sizes.push(length);
    }

    fn note_pages(&mut self, from: usize, end: usize) {
        if from == end {
            return;
        }
        for page in from / PAGE..=(end - 1) / PAGE {
            let content = page_of(&self.now, page);
            self.pages.entry(page).or_default().push(content);
        }
    }

    fn sync(&mut self) {
        self.synced.resize(self.now.len(), 0);
        for page in self.pages.keys() {
            let (from, end) = (page * PAGE, ((page + 1) * PAGE).min(self.now.len()));
            if from < end {
                self.synced[from..end].copy_from_slice(&self.now[from..end]);
            }
        }
        debug_assert!(self.synced == self.now);
        self.pages.clear();
        self.sizes.clear();
    }

    fn found(&self, loss: Loss, dice: &mut Dice) -> Vec<u8> {
        let share = match loss {
            Loss::Everything => return self.synced.clone(),
            Loss::Nothing => return self.now.clone(),
            Loss::Kept(share) => share,
        };
        let mut size = self.synced.len();
        if !self.sizes.is_empty() && dice.below(100) < share {
            size = self.sizes[dice.below(self.sizes.len())];
            if dice.below(4) == 0 {
                // Sizes grow page by page while data is being written.
                let less = dice.below(size + 1);
                size = size.min(self.synced.len().max(less / PAGE * PAGE));
            }
        }
        let mut bytes = self.synced.clone();
        bytes.resize(size, 0);
        for (page, versions) in &self.pages {
            let from = page * PAGE;
            if dice.below(100) >= share || from >= size {
                continue;
            }
            let mut content = versions[dice.below(versions.len())].clone();
            if dice.below(8) == 0 {
                // Torn: a part of it is what it was before.
                let other = page_of(&self.synced, *page);
                let at = dice.below(PAGE / SECTOR + 1) * SECTOR;
                if dice.below(2) == 0 {
                    content[at..].copy_from_slice(&other[at..]);
                } else {
                    content[..at].copy_from_slice(&other[..at]);
                }
            }
            let end = (from + PAGE).min(size);
            bytes[from..end].copy_from_slice(&content[..end - from]);
        }
        bytes
    }
}

impl FolderNode {
    fn found(&self, loss: Loss, dice: &mut Dice) -> BTreeMap<String, usize> {
        let share = match loss {
            Loss::Everything => return self.synced.clone(),
            Loss::Nothing => return self.now.clone(),
            Loss::Kept(share) => share,
        };
        let mut names = self.synced.clone();
        // Most file systems keep the order of such changes; not all do.
        let in_order = dice.below(2) == 0;
        let first = dice.below(self.pending.len() + 1);
        for (number, change) in self.pending.iter().enumerate() {
            let kept = if in_order {
                number < first
            } else {
                dice.below(100) < share
            };
            if kept {
                change.apply(&mut names);
            }
        }
        names
    }
}

fn page_of(bytes: &[u8], page: usize) -> Vec<u8> {
    let from = (page * PAGE).min(bytes.len());
    let end = (from + PAGE).min(bytes.len());
    let mut content = bytes[from..end].to_vec();
    content.resize(PAGE, 0);
    content
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
