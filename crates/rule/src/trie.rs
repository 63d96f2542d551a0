//! The paths that patterns mention, as a tree of keys: what the walk over an event follows.

/// The root: the event itself.
pub(crate) const ROOT: u32 = 0;

/// A tree of keys. A node is named by its number, which stays while anything below it is used.
#[derive(Clone, Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    free: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) parent: u32,
    /// How many ask for the value here.
    asked: u32,
    /// How many ask for this value or one below.
    live: u32,
    key: Box<str>,
    /// In order of (word, length).
    kids: Vec<Kid>,
    /// A bit for the first byte of each key below: most keys of an event are passed after this one look.
    firsts: [u64; 4],
    /// Some key below has keys below itself, so that `a.b` may stand for one.
    deep: bool,
}

#[derive(Clone, Copy, Debug)]
struct Kid {
    /// The first eight bytes of the key.
    word: u64,
    length: u32,
    node: u32,
}

impl Node {
    /// Somebody asks for the value here.
    #[inline]
    pub(crate) fn is_asked(&self) -> bool {
        self.asked > 0
    }

    /// Somebody asks for a value below.
    #[inline]
    pub(crate) fn has_kids(&self) -> bool {
        !self.kids.is_empty()
    }

    /// How many keys are asked for here if finding each of them once is all there can be.
    #[inline]
    pub(crate) fn enough(&self) -> usize {
        if self.deep { usize::MAX } else { self.kids.len() }
    }
}

impl Default for Trie {
    fn default() -> Trie {
        Trie { nodes: vec![Node::default()], free: Vec::new() }
    }
}

/// The first eight bytes of a key as a number, shorter ones padded with zeros.
#[inline]
fn word(key: &[u8]) -> u64 {
    match key.first_chunk::<8>() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => key.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte)),
    }
}

#[inline]
fn length(key: &[u8]) -> u32 {
    u32::try_from(key.len()).unwrap_or(u32::MAX)
}

impl Trie {
    /// How many numbers of nodes there have been at a time: all numbers are below.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    #[inline]
    pub(crate) fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(number as usize)
    }

    /// Nobody asks for anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.node(ROOT).is_none_or(|root| !root.has_kids())
    }

    /// The node for a path, made where it is missing, with one more that asks for it.
    pub(crate) fn ask(&mut self, path: &[Box<str>]) -> u32 {
        let mut at = ROOT;
        for key in path {
            at = match self.exact(at, key.as_bytes()) {
                Some(kid) => kid,
                None => self.grow(at, key),
            };
        }
        self.ask_again(at);
        at
    }

    /// One more asks for this node.
    pub(crate) fn ask_again(&mut self, number: u32) {
        if let Some(node) = self.nodes.get_mut(number as usize) {
            node.asked += 1;
        }
        self.count(number, 1);
    }

    /// One less asks for this node; branches that nobody asks for any more go.
    pub(crate) fn release(&mut self, number: u32) {
        if let Some(node) = self.nodes.get_mut(number as usize) {
            node.asked = node.asked.saturating_sub(1);
        }
        self.count(number, -1);
        let mut at = number;
        while at != ROOT {
            let Some(node) = self.nodes.get_mut(at as usize) else { return };
            if node.live > 0 {
                break;
            }
            let dead = std::mem::take(node);
            self.free.push(at);
            if let Some(parent) = self.nodes.get_mut(dead.parent as usize) {
                parent.kids.retain(|kid| kid.node != at);
            }
            self.refresh(dead.parent);
            at = dead.parent;
        }
        let parent = self.nodes.get(at as usize).map_or(ROOT, |node| node.parent);
        self.refresh(parent);
    }

    fn count(&mut self, number: u32, by: i32) {
        let mut at = number;
        while let Some(node) = self.nodes.get_mut(at as usize) {
            node.live = node.live.saturating_add_signed(by);
            if at == ROOT {
                return;
            }
            at = node.parent;
        }
    }

    fn grow(&mut self, parent: u32, key: &str) -> u32 {
        let fresh = Node { parent, key: key.into(), ..Node::default() };
        let number = match self.free.pop() {
            Some(number) => number,
            None => u32::try_from(self.nodes.len()).unwrap_or(u32::MAX),
        };
        match self.nodes.get_mut(number as usize) {
            Some(slot) => *slot = fresh,
            None => self.nodes.push(fresh),
        }
        let kid = Kid { word: word(key.as_bytes()), length: length(key.as_bytes()), node: number };
        if let Some(node) = self.nodes.get_mut(parent as usize) {
            let at = node.kids.partition_point(|known| (known.word, known.length) < (kid.word, kid.length));
            node.kids.insert(at, kid);
            let grandparent = node.parent;
            self.refresh(parent);
            self.refresh(grandparent);
        }
        number
    }

    /// Computes anew what a node knows of the keys below it.
    fn refresh(&mut self, number: u32) {
        let Some(node) = self.nodes.get(number as usize) else { return };
        let mut firsts = [0u64; 4];
        let mut deep = false;
        let mut set = |byte: u8| {
            if let Some(word) = firsts.get_mut(usize::from(byte >> 6)) {
                *word |= 1 << (byte & 63);
            }
        };
        for kid in &node.kids {
            let Some(kid) = self.nodes.get(kid.node as usize) else { continue };
            deep |= kid.has_kids();
            // An empty key: its written form begins with what comes behind it, a quote, or with the dot of `.b`.
            set(kid.key.bytes().next().unwrap_or(b'.'));
            if kid.key.is_empty() {
                set(b'"');
            }
        }
        // A key may be written with escapes: `\u0061` is an a.
        set(b'\\');
        if let Some(node) = self.nodes.get_mut(number as usize) {
            node.firsts = firsts;
            node.deep = deep;
        }
    }

    fn exact(&self, parent: u32, key: &[u8]) -> Option<u32> {
        let (word, length) = (word(key), length(key));
        let kids = &self.node(parent)?.kids;
        let from = kids.partition_point(|kid| (kid.word, kid.length) < (word, length));
        let same = kids.iter().skip(from).take_while(|kid| kid.word == word && kid.length == length);
        same.map(|kid| kid.node).find(|kid| self.node(*kid).is_some_and(|node| node.key.as_bytes() == key))
    }

    /// Whether a key that begins with this byte can be asked for; the byte behind the opening quote of the raw key.
    #[inline]
    pub(crate) fn may_hold(&self, parent: u32, first: u8) -> bool {
        let Some(node) = self.node(parent) else { return false };
        node.firsts.get(usize::from(first >> 6)).is_some_and(|word| word >> (first & 63) & 1 == 1)
    }

    /// The node that a key without escapes leads to; a dot in it is a step.
    pub(crate) fn find(&self, parent: u32, key: &[u8]) -> Option<u32> {
        if let Some(kid) = self.exact(parent, key) {
            return Some(kid);
        }
        // Keys of nodes have no dots, so there is at most one way to read this one.
        if !self.node(parent)?.deep || !key.contains(&b'.') {
            return None;
        }
        let mut at = parent;
        for step in key.split(|byte| *byte == b'.') {
            at = self.exact(at, step)?;
        }
        Some(at)
    }

    /// Whether `below` lies below `above`, or is it.
    pub(crate) fn is_below(&self, mut below: u32, above: u32) -> bool {
        loop {
            if below == above {
                return true;
            }
            match self.node(below) {
                Some(node) if below != ROOT => below = node.parent,
                _ => return false,
            }
        }
    }
}
