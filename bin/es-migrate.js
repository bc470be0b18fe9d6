#!/usr/bin/env node
// Before all others are loaded, which takes its time.
import '../dist/src/host/inspection.js';
await import('../dist/src/commands/main.js');
