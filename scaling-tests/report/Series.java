package report;

import java.util.List;

/// Points with a name.
///
/// @param colour its number; two of one colour are told apart by their lines
/// @param dashed whether its line is
public record Series(String name, int colour, boolean dashed, List<Point> points) {
    public static Series of(String name, int colour, List<Point> points) {
        return new Series(name, colour, false, points);
    }

    /// @param failed whether there is no figure, only the time at which it failed
    /// @param note what is said of it when pointed at
    public record Point(double x, double y, boolean failed, String note) {
        public static Point of(double x, double y, String note) {
            return new Point(x, y, false, note);
        }
    }
}
