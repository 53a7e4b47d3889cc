package dev.llmworker.text.jinja;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class JinjaTemplateTest {
    @Test
    void everyCaseGivesWhatPythonsJinjaGives() throws IOException {
        try (var golden = Objects.requireNonNull(getClass().getResourceAsStream("/jinja/cases.json"))) {
            var outcome = GoldenCases.compare(golden);
            assertEquals(List.of(), outcome.wrong(), () -> String.join("\n", outcome.wrong()));
        }
    }
}
