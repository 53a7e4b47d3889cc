package dev.llmworker.scaling.report;

import java.util.Map;

/// What a run found.
public interface Report {
    /// For a script: the content of the JSON file.
    Map<String, Object> figures();

    /// For a browser.
    Page page();

    /// For a terminal.
    String text();

    /// Whether the program ends with 0.
    boolean passed();
}
