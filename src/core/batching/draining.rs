//! What leaves the planner to be parked: in order per key, and never what is in flight.

use super::*;

impl Planner {
    /// Takes out what is not in flight and came from the stream, oldest first, up to `limit`
    /// records of one route, and what waits behind those: for parking. Images that wait behind a
    /// record in flight stay, because that record may have to be parked before them.
    pub fn drain(&mut self, route: RouteId, limit: usize) -> Vec<Record> {
        let mut handles: Vec<Handle> = Vec::new();
        let mut retries = std::mem::take(&mut self.retries);
        for retry in retries.iter_mut().filter(|retry| retry.route == route) {
            retry.records.retain(|handle| {
                let parked = handles.len() < limit && self.may_park(*handle);
                if parked {
                    handles.push(*handle);
                }
                !parked
            });
        }
        retries.retain(|retry| !retry.records.is_empty());
        self.retries = retries;
        let index = usize::from(route.0);
        for handle in std::mem::take(&mut self.queues[index].handles) {
            if handles.len() < limit && self.may_park(handle) {
                self.queues[index].bytes -= self.record(handle).request_bytes();
                handles.push(handle);
            } else {
                self.queues[index].handles.push_back(handle);
            }
        }
        handles.extend(self.at_rest(route, limit - handles.len()));
        let mut records = Vec::with_capacity(handles.len());
        for handle in handles {
            // What waits behind it goes with it: left here, it would be free to overtake.
            let record = self.record(handle);
            let key = (record.scope, Arc::clone(&record.key));
            let state = self.keys.get_mut(&key);
            let behind = state.map(|state| std::mem::take(&mut state.waiting));
            records.push(self.remove(handle));
            let behind = behind.into_iter().flatten();
            records.extend(behind.map(|handle| self.take(handle)));
        }
        let free = limit.saturating_sub(records.len());
        records.extend(self.drain_behind_parked(route, free));
        records
    }

    /// Records of a route whose keys rest and that may be parked.
    fn at_rest(&self, route: RouteId, limit: usize) -> Vec<Handle> {
        if self.rests.is_empty() {
            return Vec::new();
        }
        let mut handles: Vec<Handle> = self
            .rests
            .keys()
            .filter_map(|key| self.keys.get(key).filter(|state| state.at_rest))
            .map(|state| state.holder)
            .filter(|holder| self.record(*holder).subject.id.route == route)
            .filter(|holder| self.may_park(*holder))
            .collect();
        // The map has no order; the stream's is kept.
        handles.sort_by_key(|handle| self.record(*handle).slot);
        handles.truncate(limit);
        handles
    }

    /// Whether a record can go to the disk: it came from the stream, and no image of another route
    /// waits behind it, which would then be free to overtake.
    fn may_park(&self, handle: Handle) -> bool {
        let record = self.record(handle);
        let route = record.subject.id.route;
        let state = self.keys.get(&(record.scope, Arc::clone(&record.key)));
        let may_follow = |waiting: &Handle| {
            let waiting = self.record(*waiting);
            waiting.subject.id.route == route && waiting.slot.is_some()
        };
        record.slot.is_some() && state.is_none_or(|state| state.waiting.iter().all(may_follow))
    }

    /// Takes out images that wait behind records from parking alone: those are on disk already, in
    /// front of whatever is parked now.
    fn drain_behind_parked(&mut self, route: RouteId, limit: usize) -> Vec<Record> {
        let mut waiting: Vec<Handle> = self
            .keys
            .values()
            .filter(|state| self.record(state.holder).slot.is_none())
            .filter_map(|state| state.waiting.front().copied())
            .filter(|handle| {
                self.record(*handle).subject.id.route == route && self.may_park(*handle)
            })
            .collect();
        // The map has no order; the stream's is kept.
        waiting.sort_by_key(|handle| self.record(*handle).slot);
        waiting.truncate(limit);
        waiting
            .into_iter()
            .map(|handle| {
                let record = self.take(handle);
                if let Some(state) = self.keys.get_mut(&(record.scope, Arc::clone(&record.key))) {
                    state.waiting.pop_front();
                }
                record
            })
            .collect()
    }
}
