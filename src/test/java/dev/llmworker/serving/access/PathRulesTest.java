package dev.llmworker.serving.access;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.serving.access.PathRules.Place;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PathRulesTest {
    @ParameterizedTest
    @CsvSource({
        "/v1/x/{id}/cancel, true",
        "/v1/x/a/cancel, true",
        "/v1/x/a.b-c_d/cancel, true",
        "/v1/x//cancel, false",
        "/v1/x/a, false",
        "/v1/x/a/cancel/, false",
        "/v1/x/a/b/cancel, false",
        "/v1/x/a%2Fb/cancel, false",
        "/v1/y/a/cancel, false",
        "/v1/x/a/CANCEL, false",
    })
    void aParameterIsOneWholePart(String path, boolean covered) {
        var rule = new Place("POST", "/v1/x/{id}/cancel");
        assertEquals(covered, rule.covers(new Place("POST", path)));
        assertEquals(false, rule.covers(new Place("GET", path)));
    }
}
