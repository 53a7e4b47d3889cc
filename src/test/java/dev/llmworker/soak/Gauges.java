package dev.llmworker.soak;

/// What must be 0 when nobody is there.
record Gauges(WorkerUnderTest worker, Findings findings) {
    void areZero() throws Exception {
        try (var wire = new Wire(worker.port)) {
            var answer = wire.send(Wire.get("/metrics")).answer();
            check(answer.status(), answer.body(), findings);
        }
    }

    static void check(int status, String page, Findings findings) {
        var open = page.lines()
                .filter(line -> line.matches("llmworker_\\w*(running|waiting|queue|connections|used)\\w*(\\{.*})? .*"))
                .filter(line -> !line.matches("\\w*(_limit|_total|_bucket|_sum|_count|_max|_created)\\b.*"))
                .toList();
        var busy = open.stream().filter(line -> !line.matches(".* 0(\\.0)?")).toList();
        findings.check(
                !open.isEmpty() && busy.isEmpty(),
                "/metrics answers " + status + ", gauges " + open.size() + ", not 0: " + busy);
    }
}
