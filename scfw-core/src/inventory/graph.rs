//! The requirements between installed packages, and the shortest chains through them.

/// No chain in a report is longer.
const LONGEST_CHAIN: usize = 100;

/// Installed packages as nodes; the edges lead to their requirements.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    /// The nodes' names, as a chain shows them.
    pub(super) names: Vec<String>,
    /// The requirements of each node.
    pub(super) requires: Vec<Vec<usize>>,
    /// The nodes that the user asked for.
    pub(super) requested: Vec<usize>,
}

/// The shortest paths from the requested nodes to everything else.
#[derive(Debug)]
pub(super) struct Paths<'a> {
    graph: &'a Graph,
    /// Distance and predecessor; a requested node is its own.
    reached: Vec<Option<(usize, usize)>>,
}

impl<'a> Paths<'a> {
    pub(super) fn of(graph: &'a Graph) -> Self {
        let mut reached = vec![None; graph.names.len()];
        let mut level = Vec::new();
        for &node in &graph.requested {
            if reached[node].is_none() {
                reached[node] = Some((0, node));
                level.push(node);
            }
        }
        let mut distance = 0;
        while !level.is_empty() {
            distance += 1;
            let mut next = Vec::new();
            for node in level {
                for &required in &graph.requires[node] {
                    if reached[required].is_none() {
                        reached[required] = Some((distance, node));
                        next.push(required);
                    }
                }
            }
            level = next;
        }
        Self { graph, reached }
    }

    /// The names that lead to one of `nodes`, the requested one first, by the shortest way there is; empty if one was
    /// requested itself or nothing leads there.
    pub(super) fn shortest(&self, nodes: &[usize]) -> Vec<String> {
        let reached = nodes.iter().filter_map(|&node| Some((self.reached[node]?.0, node))).min();
        let mut chain = Vec::new();
        let mut current = reached.map(|(_, node)| node);
        while let Some(node) = current {
            current = self.reached[node].map(|(_, previous)| previous).filter(|previous| *previous != node);
            if let Some(previous) = current.filter(|_| chain.len() < LONGEST_CHAIN) {
                chain.push(self.graph.names[previous].clone());
            }
        }
        chain.reverse();
        chain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_chain_begins_with_what_was_requested() {
        let names = ["a", "b", "c", "d", "alone"].map(str::to_owned).to_vec();
        // a > b > c > d > b, and a > d.
        let requires = vec![vec![1, 3], vec![2], vec![3], vec![1], vec![4]];
        let graph = Graph { names, requires, requested: vec![0] };
        let paths = Paths::of(&graph);
        assert_eq!(paths.shortest(&[2]), ["a", "b"]);
        assert_eq!(paths.shortest(&[3, 2]), ["a"]);
        assert!(paths.shortest(&[0]).is_empty() && paths.shortest(&[4]).is_empty());
    }
}
